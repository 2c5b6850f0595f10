"""What of a scan's header a label map and a map keep, and what not."""

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.volumes import image_like, nifti_like, nifti_of, smallest_type

_SHAPE = (4, 3, 5)
_SCANNER = np.array([[0, -2, 0, 7], [1, 0, 0.2, -3], [0, 0, 3, 5], [0, 0, 0, 1.0]])
_MNI = np.array([[1.9, 0, 0, 4], [0.3, 1, 0, 8], [0, 0.1, 3.1, -9], [0, 0, 0, 1.0]])


def _scan(kind=nib.Nifti1Image, channels=()):
    """A scan with two forms, and all that says more than where it lies."""
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
@pytest.mark.parametrize("channels", [(), (2,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("make", [nifti_like, image_like])
def test_both_forms_stay_and_what_is_not_its_own_goes(
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
    assert b"somebody" not in header["descrip"].item() + header["aux_file"].item()
    assert made.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(made.dataobj), array)


def test_without_codes_it_lies_where_it_is_read(tmp_path):
    scan = nib.Nifti1Image(np.ones(_SHAPE, np.int16), None)
    scan.header.set_zooms((2.0, 3.0, 4.0))
    nib.save(scan, tmp_path / "scan.nii")
    scan = nib.load(tmp_path / "scan.nii")
    nib.save(nifti_like(np.ones(_SHAPE, np.uint8), scan), tmp_path / "label.nii")
    label = nib.load(tmp_path / "label.nii")
    np.testing.assert_array_equal(label.affine, scan.affine)
    assert int(label.header["qform_code"]) == int(label.header["sform_code"]) == 0


def test_another_format_is_placed_by_its_affine():
    scan = nib.MGHImage(np.ones(_SHAPE, np.float32), _MNI)
    for image in (
        nifti_like(np.ones(_SHAPE, "u1"), scan),
        nifti_of(np.ones(_SHAPE), _MNI),
    ):
        np.testing.assert_allclose(image.get_sform(), _MNI, rtol=1e-6)
        assert int(image.header["sform_code"]) == 1
        np.testing.assert_allclose(
            image.header.get_zooms(), np.linalg.norm(_MNI[:3, :3], axis=0), rtol=1e-6
        )


def test_both_forms_are_set_of_a_grid_without_shear():
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
def test_an_image_keeps_its_type_and_the_values_are_held(kind, largest, tmp_path):
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    scan = kind(np.ones(_SHAPE, np.float32), affine)
    label = np.full(_SHAPE, largest, np.int32)
    image = image_like(smallest_type(label), scan)
    assert type(image) is kind
    np.testing.assert_allclose(image.affine, affine)
    name = tmp_path / ("a.mgz" if kind is nib.MGHImage else "a.img")
    nib.save(image, name)
    np.testing.assert_array_equal(nib.load(name).get_fdata(), label)


def test_values_that_a_format_does_not_have_are_refused():
    scan = nib.MGHImage(np.ones(_SHAPE, np.float32), np.eye(4))
    with pytest.raises(ValueError, match="has no type that holds uint32 up to"):
        image_like(np.full(_SHAPE, 2**31, np.uint32), scan)
