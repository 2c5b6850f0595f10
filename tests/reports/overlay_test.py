"""The picture shows what it was given."""

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


def _has_colour(pixels, code):
    colour = [int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return (np.abs(pixels[..., :3] - colour).max(axis=-1) < 0.02).any()


def test_outlines_of_every_class_are_drawn(case, tmp_path):
    image, label = case
    path = tmp_path / "pictures" / "case.png"
    save_overlay(path, image, label, np.roll(label, 1, axis=0), title="case")
    pixels = matplotlib.image.imread(path)
    assert _has_colour(pixels, "4cd07d") and _has_colour(pixels, "ff6b6b")
    assert not _has_colour(pixels, "5ab4ff")  # class 3 is not there


def test_names_are_shown_as_they_are(case, tmp_path, recwarn):
    """Two dollar signs are no formula, and letters without a glyph are no news."""
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
    save_overlay(tmp_path / "truth.png", image, ground_truth=label)
    save_overlay(tmp_path / "predicted.png", image, predicted=label)
    truth = matplotlib.image.imread(tmp_path / "truth.png")
    predicted = matplotlib.image.imread(tmp_path / "predicted.png")
    assert not np.array_equal(truth, predicted)


def test_spacing_sets_the_aspect(case, tmp_path):
    image, _ = case
    save_overlay(tmp_path / "flat.png", image, spacing_mm=(1.0, 1.0, 1.0))
    save_overlay(tmp_path / "tall.png", image, spacing_mm=(1.0, 1.0, 4.0))
    flat = matplotlib.image.imread(tmp_path / "flat.png")
    tall = matplotlib.image.imread(tmp_path / "tall.png")
    assert tall.shape[0] > 1.5 * flat.shape[0]


def test_planes_go_through_the_foreground(case):
    assert foreground_centre(case[1]) == (10, 10, 6)
    assert foreground_centre(np.zeros((4, 6, 8), int)) == (2, 3, 4)


def test_constant_image_and_empty_label_are_drawn(tmp_path):
    image = np.zeros((6, 6, 6, 1), np.float32)
    save_overlay(tmp_path / "a.png", image, np.zeros((6, 6, 6), int))
    assert (tmp_path / "a.png").stat().st_size > 0


def test_label_of_another_shape_is_named(case, tmp_path):
    image, label = case
    with pytest.raises(ValueError, match="predicted must have the image's shape"):
        save_overlay(tmp_path / "a.png", image, label, label[1:])


def test_uncertainty_has_a_row_of_its_own(tmp_path):
    image = np.random.default_rng(0).normal(size=(12, 14, 10)).astype(np.float32)
    label = np.zeros(image.shape, int)
    label[4:8, 4:9, 3:7] = 1
    save_overlay(tmp_path / "plain.png", image, label)
    save_overlay(tmp_path / "more.png", image, label, uncertainty=label * 0.5)
    plain, more = (
        matplotlib.image.imread(tmp_path / name) for name in ("plain.png", "more.png")
    )
    assert more.shape[1] == plain.shape[1] and more.shape[0] > 1.5 * plain.shape[0]
    # The brightest of the colour map, in the second row alone.
    hot = (more[..., 0] > 0.5) & (more[..., 0] - more[..., 2] > 0.3)
    assert hot[more.shape[0] // 2 :].sum() > 100
    with pytest.raises(ValueError, match="uncertainty must have the image's shape"):
        save_overlay(tmp_path / "no.png", image, uncertainty=label[:4])


def test_a_picture_can_go_to_memory(tmp_path):
    file = io.BytesIO()
    save_overlay(file, np.zeros((4, 4, 4)), dpi=40, format="webp")
    assert file.getvalue()[8:12] == b"WEBP"
