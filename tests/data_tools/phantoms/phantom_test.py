"""Phantoms are repeatable and well formed, and a threshold does not solve them."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from data_tools.phantoms import phantom
from data_tools.phantoms.phantom_anatomy import Anatomy, Tissue
from data_tools.phantoms.threshold_baseline import best_threshold_dice
from tests.data_tools.in_process import open_dataset


@pytest.fixture(scope="module")
def cases():
    return [phantom.make_case(seed=3, index=index) for index in range(4)]


def _run(*arguments):
    command = [sys.executable, "-m", "data_tools.make_phantom", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def test_grids_differ_as_real_ones_do(cases):
    for case in cases:
        assert case.image.shape == case.label.shape
        assert min(case.image.shape) >= 36 and max(case.image.shape) <= 56
        spacing = np.linalg.norm(case.affine[:3, :3], axis=0)
        assert spacing.min() >= 0.8 and spacing.max() <= 1.6
    orientations = {nib.aff2axcodes(case.affine) for case in cases}
    assert len(orientations) > 1
    oblique = [np.count_nonzero(case.affine[:3, :3]) > 3 for case in cases]
    assert any(oblique) and not all(oblique)


def test_every_structure_is_there_and_large_enough(cases):
    for case in cases:
        voxel_mm3 = abs(np.linalg.det(case.affine[:3, :3]))
        volumes = np.bincount(case.label.ravel(), minlength=4) * voxel_mm3
        diameters = (6 / np.pi * volumes) ** (1 / 3)
        assert diameters[1:].min() > 7.0  # mm, of a ball of that volume
        _, pieces = ndimage.label(case.label == 3)
        assert pieces == 1


def test_nodule_lies_inside_the_organ(cases):
    for case in cases:
        nodule = case.label == 3
        around = ndimage.binary_dilation(nodule) & ~nodule
        # A bent vessel may touch the nodule; plain tissue and fat may not.
        assert np.mean(np.isin(case.label[around], (1, 2))) > 0.98


def test_a_threshold_does_not_solve_it(cases):
    mean, per_class = best_threshold_dice(
        [case.image for case in cases], [case.label for case in cases]
    )
    assert mean < 0.35
    assert max(per_class.values()) < 0.5


def test_anatomy_does_not_depend_on_the_grid():
    anatomy = Anatomy.random(np.random.default_rng(0))
    points = np.random.default_rng(1).uniform(-25.0, 25.0, (500, 3))
    whole = anatomy.tissue(points)
    np.testing.assert_array_equal(anatomy.tissue(points[::7]), whole[::7])
    assert anatomy.tissue(np.array([100.0, 0.0, 0.0])) == Tissue.AIR
    centre = anatomy.nodule.centre
    # The deformation moves points by a few millimetres; the nodule is larger.
    assert anatomy.nodule.contains(centre) and anatomy.organ.contains(centre)


def test_command_writes_a_data_set_that_the_reader_takes(cases, tmp_path):
    output = tmp_path / "phantom"
    done = _run(f"--output_dir={output}", "--num_cases=2", "--seed=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "best threshold: mean Dice 0." in done.stdout
    dataset = open_dataset(output)
    assert (dataset.name, dataset.modality) == ("phantom", "MRI")
    assert dataset.class_names == list(phantom.CLASS_NAMES)
    for case, expected in zip(dataset.cases, cases, strict=False):
        image, label = nib.load(case.image_paths[0]), nib.load(case.label_path)
        np.testing.assert_array_equal(np.asarray(image.dataobj), expected.image)
        np.testing.assert_array_equal(np.asarray(label.dataobj), expected.label)
        np.testing.assert_allclose(image.affine, expected.affine, atol=1e-4)
    assert json.loads((output / "dataset.json").read_text())["numTraining"] == 2
    done = _run(f"--output_dir={output}")
    assert done.returncode == 1
    assert done.stderr == f"error: --output_dir={output} must be new or empty\n"
