"""Label maps and maps keep the place of a scan, and nothing else of its header."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.volumes import image_like, nifti_like, nifti_of, smallest_type

_SHAPE = (4, 3, 5)
_SCANNER = np.array([[0, -2, 0, 7], [1, 0, 0.2, -3], [0, 0, 3, 5], [0, 0, 0, 1.0]])
_MNI = np.array([[1.9, 0, 0, 4], [0.3, 1, 0, 8], [0, 0.1, 3.1, -9], [0, 0, 0, 1.0]])


def _scan(kind=nib.Nifti1Image, channels=()):
    """A scan with two forms, and with header fields that a result must not keep."""
    image = kind(np.ones((*_SHAPE, *channels), np.int16), _MNI)
    image.set_qform(_SCANNER, 1, strip_shears=True)
    image.set_sform(_MNI, 4)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(3.0, -7.0)
    image.header.set_intent("z score", name="somebody")
    image.header.set_dim_info(0, 1, 2)
    image.header["descrip"] = b"somebody, born sometime"
    image.header["aux_file"] = b"somebody.txt"
    image.header["cal_min"], image.header["cal_max"] = 5, 400
    image.header["toffset"] = 3.0
    extension = nib.nifti1.Nifti1Extension("comment", b"somebody")
    image.header.extensions.append(extension)
    return image


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(
    "make, channels, dtype",
    [
        (nifti_like, (), np.uint8),
        (nifti_like, (2,), np.float32),
        (image_like, (2,), np.uint16),
        (image_like, (), np.float32),
    ],
)
def test_both_forms_are_kept_and_other_fields_are_not(
    kind, channels, dtype, make, tmp_path
):
    scan = _scan(kind, channels)
    nib.save(scan, tmp_path / "scan.nii.gz")
    array = np.arange(60).reshape(_SHAPE).astype(dtype)
    nib.save(make(array, nib.load(tmp_path / "scan.nii.gz")), tmp_path / "a.nii.gz")
    made = nib.load(tmp_path / "a.nii.gz")
    assert type(made) is kind
    for form in ("qform", "sform"):
        expected, code = getattr(scan, f"get_{form}")(coded=True)
        found, found_code = getattr(made, f"get_{form}")(coded=True)
        np.testing.assert_array_equal(found, expected)
        assert found_code == code
    np.testing.assert_array_equal(made.affine, scan.affine)
    header = made.header
    assert header.get_xyzt_units()[0] == "mm"
    assert header.get_dim_info() == (0, 1, 2)
    np.testing.assert_array_equal(header["pixdim"][:4], scan.header["pixdim"][:4])
    is_label = dtype != np.float32
    assert header.get_intent() == ("label" if is_label else "none", (), "")
    assert header.get_slope_inter() in ((1.0, 0.0), (None, None))
    assert (header["cal_min"], header["cal_max"], header["toffset"]) == (0, 0, 0)
    assert not header.extensions
    assert b"somebody" not in gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    assert made.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(made.dataobj), array)


def test_a_scan_without_codes_gives_a_label_map_without_codes(tmp_path):
    scan = nib.Nifti1Image(np.ones(_SHAPE, np.int16), None)
    scan.header.set_zooms((2.0, 3.0, 4.0))
    nib.save(scan, tmp_path / "scan.nii")
    scan = nib.load(tmp_path / "scan.nii")
    nib.save(nifti_like(np.ones(_SHAPE, np.uint8), scan), tmp_path / "label.nii")
    label = nib.load(tmp_path / "label.nii")
    np.testing.assert_array_equal(label.affine, scan.affine)
    assert int(label.header["qform_code"]) == int(label.header["sform_code"]) == 0


def test_the_affine_places_scans_of_other_formats():
    scan = nib.MGHImage(np.ones(_SHAPE, np.float32), _MNI)
    spacing_mm = np.linalg.norm(_MNI[:3, :3], axis=0)
    array = np.ones(_SHAPE, np.uint8)
    for image in (nifti_like(array, scan), nifti_of(array, _MNI)):
        np.testing.assert_allclose(image.get_sform(), _MNI, rtol=1e-6)
        assert int(image.header["sform_code"]) == 1
        np.testing.assert_allclose(image.header.get_zooms(), spacing_mm, rtol=1e-6)


def test_both_forms_are_set_if_a_grid_has_no_shear():
    rotated = np.eye(4)
    rotated[:3, :3] = [[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]]
    affine = rotated @ np.diag([2.0, 1.5, 3.0, 1.0])
    image = nifti_of(np.ones(_SHAPE, np.uint8), affine)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-6)
    np.testing.assert_allclose(image.get_sform(), affine, atol=1e-6)
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    assert int(nifti_of(np.ones(_SHAPE), _MNI).header["qform_code"]) == 0


@pytest.mark.parametrize(
    "kind", [nib.MGHImage, nib.Spm99AnalyzeImage, nib.Nifti1Pair, nib.Nifti2Pair]
)
@pytest.mark.parametrize("largest", [1, 200, 300, 40000, 70000])
def test_an_image_of_the_scans_type_holds_the_values(kind, largest, tmp_path):
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    scan = kind(np.ones(_SHAPE, np.float32), affine)
    label = np.full(_SHAPE, largest, np.int32)
    image = image_like(smallest_type(label), scan)
    assert type(image) is kind
    np.testing.assert_allclose(image.affine, affine)
    name = tmp_path / ("a.mgz" if kind is nib.MGHImage else "a.img")
    nib.save(image, name)
    np.testing.assert_array_equal(nib.load(name).get_fdata(), label)


@pytest.mark.parametrize(
    "largest, dtype", [(2, np.uint8), (255, np.uint8), (256, np.uint16)]
)
def test_a_label_map_takes_the_smallest_type(largest, dtype):
    assert smallest_type(np.array([0, largest])).dtype == dtype


def test_values_that_a_format_does_not_have_are_refused():
    scan = nib.MGHImage(np.ones(_SHAPE, np.float32), np.eye(4))
    with pytest.raises(ValueError, match="has no type that holds uint32 up to"):
        image_like(np.full(_SHAPE, 2**31, np.uint32), scan)
