"""The picture of a case shows its volumes."""

import io

import matplotlib.image
import numpy as np
import pytest

from tf_diffseg.reports.overlay import (
    foreground_centre,
    save_overlay,
    save_overlay_rows,
)


@pytest.fixture
def case():
    label = np.zeros((20, 24, 16), int)
    label[5:12, 6:14, 4:10], label[12:15, 6:14, 4:10] = 1, 2
    image = np.random.default_rng(0).normal(size=label.shape) + 2 * label
    return image, label


def _drawn(path, *arguments, **options):
    """Draws an overlay, and gives its pixels."""
    save_overlay(path, *arguments, **options)
    return matplotlib.image.imread(path)


def _has_colour(pixels, code):
    colour = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return (np.abs(pixels[..., :3] - colour).max(axis=-1) < 0.02).any()


def test_outlines_of_every_class_are_drawn(case, tmp_path):
    image, label = case
    path, predicted = tmp_path / "pictures" / "case.png", np.roll(label, 1, axis=0)
    pixels = _drawn(path, image, label, predicted, title="case")
    assert _has_colour(pixels, "4cd07d") and _has_colour(pixels, "ff6b6b")
    assert not _has_colour(pixels, "5ab4ff")  # The colour of class 3, which is absent.


def test_names_are_shown_as_they_are(case, tmp_path, recwarn):
    """Two dollar signs make no formula, and missing glyphs make no warning."""
    image, label = case
    names = ["background", "$^$", "数据"]
    save_overlay(
        tmp_path / "a.png", image, label, class_names=names, title="a$^$b 数据"
    )
    rows = [("a$^$b 数据", image, label)]
    save_overlay_rows(tmp_path / "b.png", rows, class_names=names)
    assert not recwarn.list


def test_truth_and_prediction_differ_in_the_picture(case, tmp_path):
    image, label = case
    truth = _drawn(tmp_path / "truth.png", image, ground_truth=label)
    predicted = _drawn(tmp_path / "predicted.png", image, predicted=label)
    assert not np.array_equal(truth, predicted)


def test_spacing_sets_the_aspect(case, tmp_path):
    image, _ = case
    flat = _drawn(tmp_path / "flat.png", image, spacing_mm=(1.0, 1.0, 1.0))
    tall = _drawn(tmp_path / "tall.png", image, spacing_mm=(1.0, 1.0, 4.0))
    assert tall.shape[0] > 1.5 * flat.shape[0]


def test_planes_go_through_the_foreground(case):
    assert foreground_centre(case[1]) == (10, 10, 6)
    assert foreground_centre(np.zeros((4, 6, 8), int)) == (2, 3, 4)


def test_a_constant_image_and_an_empty_label_map_are_drawn_to_memory():
    file = io.BytesIO()
    image, label = np.zeros((6, 6, 6, 1), np.float32), np.zeros((6, 6, 6), int)
    save_overlay(file, image, label, dpi=40, format="webp")
    assert file.getvalue()[8:12] == b"WEBP"


@pytest.mark.parametrize("name", ["predicted", "uncertainty"])
def test_a_volume_of_another_shape_is_named(case, tmp_path, name):
    image, label = case
    with pytest.raises(ValueError, match=f"{name} must have the image's shape"):
        save_overlay(tmp_path / "a.png", image, label, **{name: label[1:]})


def test_uncertainty_has_a_row_of_its_own(case, tmp_path):
    image, label = case
    plain = _drawn(tmp_path / "plain.png", image, label)
    more = _drawn(tmp_path / "more.png", image, label, uncertainty=label * 0.5)
    assert more.shape[1] == plain.shape[1] and more.shape[0] > 1.5 * plain.shape[0]
    # The brightest colours of the colour map are only in the second row.
    hot = (more[..., 0] > 0.5) & (more[..., 0] - more[..., 2] > 0.3)
    assert hot[more.shape[0] // 2 :].sum() > 100


def test_of_a_slice_only_the_slice_is_drawn(tmp_path):
    image = np.random.default_rng(0).normal(size=(12, 10, 1))
    label = np.zeros(image.shape, int)
    label[3:7, 3:7] = 1
    path = tmp_path / "slice.png"
    save_overlay(path, image, label, label, uncertainty=np.abs(image))
    assert path.stat().st_size > 1000
