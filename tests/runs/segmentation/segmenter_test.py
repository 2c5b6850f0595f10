"""Segmentation of nibabel images in Python, and what it refuses."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from tests.runs.toy_run import MANIFEST, WINDOW, toy_run
from tf_diffseg.errors import InputError
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.segmentation.scan_resampling import ScanResampling
from tf_diffseg.runs.segmentation.segmenter import VolumeSegmenter, load_segmenter


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    manifest = dataclasses.replace(
        MANIFEST, preprocessing=MANIFEST.preprocessing | {"spacing_mm": [1.0, 1.0, 2.0]}
    )
    folder = tmp_path_factory.mktemp("run") / "run"
    return load_segmenter(toy_run(folder, manifest, strategy="supervised"))


def _voxels(shape=WINDOW):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _with(value):
    voxels = _voxels().astype(np.float64)
    voxels[1, 2, 3] = value
    return voxels


def test_the_label_map_lies_on_the_image(segmenter, tmp_path):
    affine = np.diag([1.5, 1.0, 1.0, 1.0])
    image = nib.Nifti1Image(_voxels((7, 9, 5)), affine)
    label = segmenter(image)
    assert label.shape == image.shape
    np.testing.assert_array_equal(label.affine, affine)
    nib.save(image, tmp_path / "image.nii.gz")
    loaded = segmenter(nib.load(tmp_path / "image.nii.gz"))
    np.testing.assert_array_equal(loaded.dataobj, label.dataobj)


@pytest.mark.parametrize(
    "voxels, scale, message",
    [
        (_with(np.nan), 1.0, "the image has 1 voxel.* NaN or infinite"),
        (_with(1e300), 1.0, "the image has .* NaN or infinite"),
        (_voxels().astype(np.complex64), 1.0, "holds complex64 voxels, expected num"),
        (_voxels((4, 0, 4)), 1.0, r"the image has no voxels \(4x0x4\)"),
        (_voxels((4, 4)), 1.0, r"the image is 2D \(4x4\), expected a 3D volume"),
        (_voxels((4, 4, 4, 2)), 1.0, "wants 1 channel.*, the image has 2"),
        (_voxels(), None, "the image has no affine"),
        (_voxels(), 1e4, "the image has the spacing 10000 x 10000 x 10000 mm"),
        (_voxels(), 1e-6, "the image has the spacing 1e-06 x 1e-06 x 1e-06 mm"),
        (_voxels((60, 60, 60)), 1e3, "the image is too large for a spacing of 1 x 1 x"),
        (_voxels(), 1e-3, "measures 0.008 x 0.008 x 0.006 mm, less than one voxel of"),
    ],
)
def test_an_image_that_no_file_may_hold_is_refused(segmenter, voxels, scale, message):
    affine = None if scale is None else np.diag([scale, scale, scale, 1.0])
    with pytest.raises(InputError, match=message):
        segmenter(nib.Nifti1Image(voxels, affine))


def test_an_image_is_named_by_its_file(segmenter, tmp_path):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(_with(np.nan), np.eye(4)), path)
    with pytest.raises(InputError, match="scan.nii.gz has 1 voxel"):
        segmenter(nib.load(path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="scan.nii.gz is damaged"):
        segmenter(nib.load(path))
    with pytest.raises(InputError, match="expected an image of nibabel .*, got a str"):
        segmenter("scan.nii.gz")


def test_the_label_map_has_the_units_but_not_the_extension_of_the_image(segmenter):
    image = nib.Nifti1Image(_voxels(), np.diag([1e-3, 1e-3, 1e-3, 1]))
    expected = segmenter(nib.Nifti1Image(_voxels(), np.eye(4)))
    image.header.set_xyzt_units("meter")
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"Doe^Jane"))
    label = segmenter(image)
    np.testing.assert_array_equal(label.dataobj, expected.dataobj)
    np.testing.assert_array_equal(label.affine, image.affine)
    assert label.header.get_xyzt_units()[0] == "meter"
    assert len(label.header.extensions) == 0
    assert len(image.header.extensions) == 1


class _Found:
    """A model of a `VolumeSegmenter` that finds components of one and two voxels."""

    class_names, label_values = ["background", "liver"], [0, 1]
    num_channels, resampling, regions = 1, ScanResampling({}, {}), ()

    def label(self, image, affine):
        label = np.zeros(WINDOW, np.int32)
        label[0, 0, 0] = label[4, 4, 3] = label[4, 4, 4] = 1
        return label


@pytest.mark.parametrize(
    "options, voxels",
    [
        ({}, 3),
        ({"keep_components": {"liver": 2}}, 3),
        ({"keep_components": "liver:1"}, 2),
        ({"largest_component": True}, 2),
        ({"largest_component": True, "keep_components": ["1:2"]}, 3),
        ({"min_volume_ml": 0.09}, 3),
        ({"min_volume_ml": 0.11}, 2),
    ],
)
def test_components_are_cleaned_by_class_names_and_sheared_voxels(options, voxels):
    # Voxels measure 5 x 5 x 5 mm along their axes, but have 0.1 ml.
    affine = np.diag([5.0, 5.0, 4.0, 1.0])
    affine[1, 2] = 3.0
    segmenter = VolumeSegmenter(_Found(), InferenceOptions(**options))
    label = segmenter(nib.Nifti1Image(_voxels(), affine))
    assert np.count_nonzero(label.dataobj) == voxels


def test_a_class_that_the_model_does_not_have_is_refused():
    with pytest.raises(InputError, match="no class .* lever:1, expected one of liver"):
        VolumeSegmenter(_Found(), InferenceOptions(keep_components=["lever:1"]))
