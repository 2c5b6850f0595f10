"""DICOM files give the pixels that their tags describe."""

import contextlib

import numpy as np
import pytest

from experiments.benchmarks.peak_memory import peak_bytes, reset_peak
from tf_diffseg.errors import InputError
from tf_diffseg.volumes import dicom_files
from tf_diffseg.volumes.volume_files import read_image

pytest.importorskip("pydicom")

from tests.volumes.made_dicom import rescaled, write_dicom, write_slice, write_stack

SHAPE = (6, 5, 4)  # column, row, slice


def _stored(dtype, low=None, high=None):
    limits = np.iinfo(dtype)
    low, high = low or limits.min, high or limits.max
    return np.random.default_rng(0).integers(low, high, SHAPE, dtype, endpoint=True)


def _voxels(folder):
    return read_image(folder).array[..., 0]


@contextlib.contextmanager
def _peak_below(num_bytes):
    """Checks how many bytes more than before are in use at most."""
    reset_peak()
    before = peak_bytes()
    try:
        yield
    finally:
        assert peak_bytes() - before < num_bytes


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize(
    "slope, intercept, photometric",
    [
        (None, None, "MONOCHROME2"),
        (2, None, "MONOCHROME2"),
        (None, -1000, "MONOCHROME2"),
        (1, 0, "MONOCHROME1"),
        (2, -32768, "MONOCHROME2"),
        (0.37, 12.5, "MONOCHROME1"),
        (-1, 7, "MONOCHROME2"),
    ],
)
def test_stored_values_times_slope_plus_intercept(
    tmp_path, dtype, slope, intercept, photometric
):
    stored = _stored(dtype)
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    write_stack(tmp_path, stored, PhotometricInterpretation=photometric, **tags)
    expected = stored.astype(np.float64) * (slope or 1) + (intercept or 0)
    found = _voxels(tmp_path)
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    if None not in (slope, intercept):
        np.testing.assert_array_equal(found, rescaled(tmp_path).astype("f4"))


def test_each_slice_has_its_own_scale(tmp_path):
    stored = _stored("i2", 0, 32767)
    slopes, intercepts = (0.5, 1.25, 3.0, 0.01), (0.0, 10.0, -5.0, 2.0)
    tags = {
        "RescaleSlope": slopes.__getitem__,
        "RescaleIntercept": intercepts.__getitem__,
    }
    write_stack(tmp_path, stored, **tags)
    expected = stored * np.array(slopes) + np.array(intercepts)
    np.testing.assert_allclose(_voxels(tmp_path), expected, rtol=1e-6)


def test_the_table_of_the_modality_maps_values(tmp_path):
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [8, 0, 16]
    table.LUTData = np.array([0, 5, 7, 100, 1000, 2000, 3000, 40000], "u2").tobytes()
    table.add_new(0x00283006, "OW", table.LUTData)
    stored = _stored("u1", 0, 7) % 8
    write_stack(tmp_path, stored, ModalityLUTSequence=[table])
    values = np.array([0, 5, 7, 100, 1000, 2000, 3000, 40000])
    np.testing.assert_array_equal(_voxels(tmp_path), values[stored])


@pytest.mark.parametrize("signed", [False, True])
def test_bits_that_are_not_stored_do_not_count(tmp_path, signed):
    low, high = (-2048, 2047) if signed else (0, 4095)
    values = np.random.default_rng(0).integers(low, high, SHAPE).astype("i2")
    bare = (values & 0x0FFF).astype("i2" if signed else "u2")
    write_stack(tmp_path / "a", bare, BitsStored=12)
    np.testing.assert_array_equal(_voxels(tmp_path / "a"), values)
    # Old files have an overlay in the bit above.
    write_stack(tmp_path / "b", bare | bare.dtype.type(0x2000), BitsStored=12)
    np.testing.assert_array_equal(_voxels(tmp_path / "b"), values)
    write_stack(tmp_path / "c", bare, BitsStored=12, HighBit=15)
    with pytest.raises(InputError, match="IM0000: HighBit is 15 and BitsStored 12, ex"):
        read_image(tmp_path / "c")


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_compressed_pixels_are_read_or_refused(tmp_path, kind, dtype, capfd):
    sitk = pytest.importorskip("SimpleITK")
    import pydicom

    low = -1000 if dtype == "i2" else 0
    # SimpleITK's writer crashes on very small pictures.
    stored = np.random.default_rng(0).integers(low, 200, (64, 48, 2)).astype(dtype)
    folder = write_stack(tmp_path / "a", stored, RescaleSlope=2, RescaleIntercept=-5)
    for index, path in enumerate(sorted(folder.iterdir())):
        picture = np.ascontiguousarray(stored[:, :, index].T)[np.newaxis]
        writer = sitk.ImageFileWriter()
        writer.UseCompressionOn()
        writer.SetCompressor(kind)
        writer.SetFileName(str(tmp_path / "compressed.dcm"))
        writer.Execute(sitk.GetImageFromArray(picture))
        compressed = pydicom.dcmread(tmp_path / "compressed.dcm")
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
        dataset.PixelData = compressed.PixelData
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(path)
    assert dataset.file_meta.TransferSyntaxUID.is_encapsulated
    np.testing.assert_array_equal(_voxels(folder), stored * 2.0 - 5)
    content = path.read_bytes()
    start = content.index(b"\xff\xd8" if kind == "JPEG" else b"\xff\x4f") + 2
    path.write_bytes(content[:start] + bytes(40) + content[start + 40 :])
    with pytest.raises(InputError, match="IM0001 is damaged: its pixels in JPEG .* be"):
        read_image(folder)
    if kind == "JPEG":  # its own header tells of 60000 x 60000 pixels
        size = content.index(b"\xff\xc3") + 5
        huge = (60000).to_bytes(2, "big") * 2
        path.write_bytes(content[:size] + huge + content[size + 4 :])
        with pytest.raises(InputError, match="IM0001 is damaged: its pixels in JPEG"):
            with _peak_below(2**26):
                read_image(folder)
    path.write_bytes(content[: start + 40])
    with pytest.raises(InputError, match="IM0001 is damaged"):
        read_image(folder)
    assert "IM0001" not in capfd.readouterr().err  # but for what GDCM itself says


def test_run_lengths(tmp_path):
    import pydicom

    stored = _stored("i2", 0, 3)
    write_stack(tmp_path, stored)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    np.testing.assert_array_equal(_voxels(tmp_path), stored)


@pytest.mark.parametrize(
    "name, value",
    [("RescaleSlope", 0), ("RescaleSlope", "nan"), ("RescaleIntercept", "inf")],
)
def test_a_scale_that_is_no_scale_is_refused(tmp_path, name, value):
    from pydicom import config

    with config.disable_value_validation():
        write_stack(tmp_path, _stored("i2"), **{name: value})
    with pytest.raises(InputError, match=f"IM0000: {name} is {value}, expected a num"):
        read_image(tmp_path)


_STORED = np.zeros((6, 5), np.int16)


@pytest.mark.parametrize(
    "tags, words",
    [
        (
            {"ImageType": ["DERIVED", "PRIMARY", "MOSAIC"]},
            "is a mosaic .* side by side",
        ),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "VFRAME"]}, "is a mosaic"),
        ({"NumberOfFrames": 3, "PixelData": bytes(180)}, "multi-frame image .* 3 "),
        (
            {"sop_class": "1.2.840.10008.5.1.4.1.1.2.1", "NumberOfFrames": 2},
            r"multi-frame image \(Enhanced CT Image, 2 frames\), expected one slice",
        ),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "3 component"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "'PALETTE COLOR'.*grey"),
        ({"ImagePositionPatient": None}, "where in space.*ImagePositionPatient has 0"),
        ({"ImageOrientationPatient": None}, "where in space.*ImageOrientationPatient"),
        ({"PixelSpacing": None}, "PixelSpacing has 0 value"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "two unit vectors at right"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "two unit vectors at right"),
    ],
)
def test_files_that_are_no_slice_are_refused(tmp_path, tags, words):
    for index in range(2):
        write_slice(tmp_path / f"IM{index}", _STORED, z=2.5 * index, **tags)
    for path in (tmp_path, tmp_path / "IM0"):
        with pytest.raises(InputError, match=f"IM0.*{words}"):
            read_image(path)


@pytest.mark.parametrize("has_types", [True, False])
def test_a_mosaic_is_known_by_the_private_tags_of_siemens(tmp_path, has_types):
    import pydicom

    path = write_slice(tmp_path / "IM0", _STORED, ImageType=["DERIVED", "SECONDARY"])
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US" if has_types else "UN", 9 if has_types else b"\x09\0")
    dataset.save_as(path)
    with pytest.raises(InputError, match="IM0 is a mosaic"):
        read_image(tmp_path)


@pytest.mark.parametrize("cut", ["preamble", "meta"])
@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_without_preamble_is_read(tmp_path, cut, implicit):
    import pydicom

    stored = _stored("i2")
    write_stack(tmp_path, stored)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        if implicit:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            dataset.save_as(path, implicit_vr=True, little_endian=True)
        content = path.read_bytes()
        # The length of the group follows preamble and magic.
        length = 12 + int.from_bytes(content[140:144], "little")
        path.write_bytes(content[132 + (length if cut == "meta" else 0) :])
        assert path.read_bytes()[:2] == (b"\x08\0" if cut == "meta" else b"\x02\0")
    np.testing.assert_array_equal(_voxels(tmp_path), stored)


@pytest.mark.parametrize(
    "name", ["ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian"]
)
def test_pixels_may_be_big_endian_or_deflated(tmp_path, name):
    import pydicom

    stored = _stored("u2")
    write_stack(tmp_path, stored)
    for index, path in enumerate(sorted(tmp_path.iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.decode()
        dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, name)
        is_little = name != "ExplicitVRBigEndian"
        if not is_little:
            picture = np.ascontiguousarray(stored[:, :, index].T)
            dataset.PixelData = picture.astype(">u2").tobytes()
            dataset["PixelData"].VR = "OW"
        pydicom.dcmwrite(
            path,
            dataset,
            implicit_vr=False,
            little_endian=is_little,
            force_encoding=not is_little,
        )
    np.testing.assert_array_equal(_voxels(tmp_path), stored)


def test_a_header_is_read_without_its_pixels(tmp_path):
    path = write_slice(tmp_path / "a", np.zeros((6000, 6000), np.int16))
    with _peak_below(2**23):
        assert dicom_files.read_header(path).shape == (6000, 6000)


def test_a_slice_larger_than_memory_is_refused_by_its_header(tmp_path):
    for index in range(2):
        tags = {"Rows": 65535, "Columns": 65535}
        write_slice(tmp_path / f"IM{index}", _STORED, z=index, **tags)
    with pytest.raises(InputError, match="(is too large|IM0 is damaged)"):
        with _peak_below(2**26):
            read_image(tmp_path)


def test_files_of_other_kinds_are_no_image(tmp_path):
    (tmp_path / "a.txt").write_text("\x08\0 not DICOM")
    assert dicom_files.read_header(tmp_path / "a.txt") is None
    (tmp_path / "b").touch()
    assert dicom_files.read_header(tmp_path / "b") is None
    structures = write_dicom(tmp_path / "c", "1.2.840.10008.5.1.4.1.1.481.3")
    header = dicom_files.read_header(structures)
    assert (header.kind, header.is_image) == ("RT Structure Set", False)


def test_damage_is_read_or_refused(tmp_path):
    write_stack(tmp_path, _stored("i2"))
    path = tmp_path / "IM0001"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(128, len(whole), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_image(tmp_path)
        except InputError as error:
            assert str(tmp_path) in str(error)
    for size in range(0, len(whole), 15):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="IM000"):
            read_image(tmp_path)
