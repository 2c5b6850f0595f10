"""Volumes are read as their files mean them, and every defect has a message."""

import gzip
import logging
import re
import sys
import time

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import nifti, volume_limits
from tf_diffseg.volumes.grids import check_same_grid, grid_difference
from tf_diffseg.volumes.result_files import write_label
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_files import image_of, read_image, read_label


def _save(path, array, affine=None, **header):
    image = nib.Nifti1Image(array, np.eye(4) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "volume.nii.gz"


def test_image_is_scaled_as_the_header_says(path):
    header = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), None).header
    header.set_slope_inter(2.0, -1024.0)
    raw = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    with gzip.open(path, "wb") as file:
        header.write_to(file)
        file.write(b"\0" * (352 - file.tell()))
        file.write(raw.tobytes(order="F"))
    image = read_image(path)
    assert image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array[..., 0], raw * 2.0 - 1024.0)


def test_big_endian_files(path):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    array = np.arange(24).reshape(2, 3, 4)
    nib.save(nib.Nifti1Image(array.astype(">i2"), np.eye(4), header), path)
    for read in (read_image, read_label):
        stored = read(path).array
        assert stored.dtype.isnative
        np.testing.assert_array_equal(np.squeeze(stored), array)


def test_label_values_near_whole_numbers_are_rounded(path):
    _save(path, np.array([0.0, 0.9995, 1.0, 2.0004], np.float32).reshape(1, 2, 2))
    label = read_label(path)
    assert label.array.dtype == np.int32
    np.testing.assert_array_equal(np.ravel(label.array), [0, 1, 1, 2])


def test_other_label_values_are_refused(path):
    _save(path, np.array([0.0, 1.0, 1.25, 2.0], np.float32).reshape(1, 2, 2))
    with pytest.raises(InputError, match=r"volume.nii.gz holds the label value 1.25"):
        read_label(path)


def test_missing_file(path):
    with pytest.raises(InputError, match="volume.nii.gz does not exist"):
        read_image(path)


def test_file_of_something_else(path):
    path.write_text("not a volume")
    with pytest.raises(InputError, match="volume.nii.gz cannot be read as NIfTI"):
        read_image(path)


def test_truncated_file(path):
    rng = np.random.default_rng(0)
    _save(path, rng.normal(size=(9, 9, 9)))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(InputError, match="volume.nii.gz is damaged"):
        read_image(path)


def test_stream_damaged_in_the_middle(path):
    _save(path, np.random.default_rng(0).normal(size=(30, 30, 30)))
    content = bytearray(path.read_bytes())
    for place in range(1000, len(content) - 1000, 1000):
        content[place : place + 50] = b"\xff" * 50
    path.write_bytes(content)
    for read in (read_image, read_label):
        with pytest.raises(InputError, match="volume.nii.gz (is damaged|cannot be)"):
            read(path)


def test_every_damaged_byte_is_read_or_named(path):
    """No damage to the compressed stream ends in another error."""
    _save(path, np.arange(64.0, dtype=np.float32).reshape(4, 4, 4))
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_image(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(whole) // 2


def _with_header(path, offset, dtype, values):
    """A volume of 8 voxels with some bytes of its header replaced."""
    _save(path, np.zeros((2, 2, 2), np.uint8))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        content = bytearray(file.read())
    replaced = np.asarray(values, dtype).tobytes()
    content[offset : offset + len(replaced)] = replaced
    with opened(path, "wb") as file:
        file.write(content)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_unknown_data_type(tmp_path, name):
    path = _with_header(tmp_path / name, 70, "<i2", [9999])
    with pytest.raises(InputError, match=f"{name} cannot be read as NIfTI: .*9999"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("read", [read_image, read_label])
def test_header_of_more_voxels_than_the_file_holds(tmp_path, name, read):
    path = _with_header(tmp_path / name, 42, "<i2", [30000] * 3)
    message = f"{name} is damaged: its header tells of 30000x30000x30000 voxels"
    with pytest.raises(InputError, match=message):
        read(path)


def test_more_voxels_than_memory(path, monkeypatch):
    _save(path, np.zeros((8, 8, 8), np.float32))
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2047)
    with pytest.raises(InputError, match="volume.nii.gz is too large: 8x8x8 voxels"):
        read_image(path)
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2048)
    read_image(path)


@pytest.mark.parametrize(
    "name, kind", [("a.img", nib.Nifti1Pair), ("a.hdr", nib.AnalyzeImage)]
)
def test_other_formats_are_refused(tmp_path, name, kind):
    path = tmp_path / name
    nib.save(kind(np.zeros((4, 3, 2), np.float32), np.eye(4)), path)
    label = np.zeros((4, 3, 2), int)
    for call in (
        lambda: read_image(path),
        lambda: read_label(path),
        lambda: write_label(tmp_path / "label.nii", label, like=path),
    ):
        with pytest.raises(InputError, match=f"{name} is of no known format, expect"):
            call()
    with pytest.raises(InputError, match=f"{name} is not NIfTI, expected a .nii"):
        nifti.read(path)
    assert not (tmp_path / "label.nii").exists()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_single_channel_axis_is_dropped(tmp_path, path, kind):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1)
    nib.save(kind(array, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    image, label = read_image(path), read_label(path)
    np.testing.assert_array_equal(image.array, array)
    np.testing.assert_array_equal(label.array, array[..., 0])
    write_label(tmp_path / "label.nii.gz", label.array, like=path)
    written = read_label(tmp_path / "label.nii.gz")
    assert nib.load(tmp_path / "label.nii.gz").shape == (2, 3, 4)
    np.testing.assert_array_equal(written.array, label.array)
    check_same_grid(image, written)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((8, 8), r"is 2D \(8x8\), expected a 3D volume"),
        ((4, 4, 4, 2, 3), r"is 5D \(4x4x4x2x3\), expected a 3D volume, or a 4D one"),
        ((4, 0, 4), r"has no voxels \(4x0x4\)"),
    ],
)
def test_wrong_number_of_axes(path, shape, message):
    _save(path, np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=message):
        read_image(path)


def test_nan_and_infinity_are_counted(path):
    array = np.zeros((3, 3, 3), np.float32)
    array[0, 0] = np.nan, np.inf, 1.0
    with pytest.raises(InputError, match=r"has 2 voxel\(s\) that are NaN or infinite"):
        read_image(_save(path, array))


def test_colour_voxels(path):
    colour = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="expected numbers"):
        read_image(_save(path, colour))


def test_vector_axis_holds_channels(path):
    array = np.arange(48, dtype=np.float32).reshape(2, 3, 4, 1, 2)
    image = read_image(_save(path, array))
    np.testing.assert_array_equal(image.array, array[:, :, :, 0])


def _with_affine(path, rows):
    image = nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), None)
    image.header["sform_code"] = 1
    for name, row in zip("xyz", rows, strict=True):
        image.header[f"srow_{name}"] = row
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    "rows, message",
    [
        ([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]], "spacing 1 x 0 x 1 mm, expected"),
        (
            [[1, 1, 0, 0], [2, 2, 0, 0], [0, 0, 1, 0]],
            "singular affine: .* in one plane",
        ),
        ([[1, 1, 0, 0], [0, 1e-3, 0, 0], [0, 0, 1, 0]], "singular affine"),
        ([[1, 0, 0, 0], [0, np.nan, 0, 0], [0, 0, 1, 0]], "affine .* NaN or infinite"),
        ([[1, 0, 0, np.inf], [0, 1, 0, 0], [0, 0, 1, 0]], "affine .* NaN or infinite"),
        ([[1e4, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "spacing 10000 x 1 x 1 mm"),
    ],
)
def test_unusable_affines(path, rows, message):
    with pytest.raises(InputError, match=f"volume.nii.gz has .*{message}"):
        read_image(_with_affine(path, rows))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("spacing", [0.0, -1.0, np.nan, np.inf])
def test_unusable_spacing_in_the_header(tmp_path, name, spacing):
    path = _with_header(tmp_path / name, 80, "<f4", [spacing])
    with pytest.raises(InputError, match=f"{name} has the spacing {spacing:g} x 1 x 1"):
        read_image(path)


def test_sheared_affine_of_a_tilted_gantry_is_fine(path):
    rows = [[1, 0, 0, 0], [0, 1, 0.5, 0], [0, 0, 2, 0]]
    image = read_image(_with_affine(path, rows))
    np.testing.assert_array_equal(image.affine[:3], rows)


def test_what_is_odd_is_noted(path):
    rows = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    (note,) = read_image(_with_affine(path, rows)).notes
    assert "'pixdim' tells of a spacing of 1 x 1 x 1 mm, the affine, " in note
    assert note.endswith("which is used, of 2 x 1 x 1 mm")
    image = nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), None)
    image.header.set_xyzt_units("micron")
    nib.save(image, path)
    orientation, unit = read_image(path).notes
    assert "neither sform nor qform tells" in orientation
    assert "the unit of length is micrometre" in unit


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_data_behind_the_voxels_is_noted(tmp_path, name):
    path = _save(tmp_path / name, np.ones((3, 3, 3), np.float32))
    assert read_image(path).notes == ()
    opened = gzip.open if name.endswith(".gz") else open
    with opened(path, "rb") as file:
        content = file.read()
    with opened(path, "wb") as file:
        file.write(content + bytes(5))
    (note,) = read_image(path).notes
    assert note == f"{path}: 5 byte(s) follow the voxels, unused"


def test_zeros_without_end_behind_the_voxels_are_not_read(path):
    _save(path, np.ones((3, 3, 3), np.float32))
    member = gzip.compress(bytes(1 << 24))
    with open(path, "ab") as file:
        for _ in range(1 << 10):  # 16 GiB
            file.write(member)
    start = time.process_time()
    (note,) = read_image(path).notes
    assert time.process_time() - start < 10
    assert "more than 64 MiB follow the voxels" in note


def test_what_nibabel_mends_is_not_logged(path, capfd):
    """A root handler prints what nibabel's own handler is kept from."""
    _save(path, np.ones((3, 3, 3), np.float32))
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[252:254] = np.int16(77).tobytes()  # no qform_code
    path.write_bytes(gzip.compress(content))
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        read_image(path)
    finally:
        logging.getLogger().removeHandler(handler)
    assert capfd.readouterr().err == ""


def _volume(name, shape=(10, 10, 10), affine=None):
    affine = np.eye(4) if affine is None else affine
    return Volume(name, np.zeros(shape, np.float32), affine)


def test_grids_must_agree():
    image = _volume("image.nii")
    with pytest.raises(InputError, match=r"label.nii has shape \(10, 10, 9\)"):
        check_same_grid(image, _volume("label.nii", (10, 10, 9)))
    shifted = np.eye(4)
    shifted[0, 3] = 0.5
    with pytest.raises(InputError, match="different affines.* up to 0.5 mm apart"):
        check_same_grid(image, _volume("label.nii", affine=shifted))


@pytest.mark.parametrize(
    "change, aspect",
    [
        (np.diag([1.01, 1, 1, 1]), "spacing"),
        (np.eye(4)[[1, 0, 2, 3]], "orientation"),
        (np.diag([-1.0, 1, 1, 1]), "orientation"),
        (np.eye(4) + np.eye(4, k=3) * 0.05, "origin"),
    ],
)
def test_grids_differ_in_one_aspect(change, aspect):
    difference = grid_difference(_volume("a"), _volume("b", affine=change))
    assert difference.aspect == aspect
    assert difference.is_error == (aspect in ("orientation",))


def test_rounding_in_headers_is_no_difference():
    nearly = np.eye(4) * 1.00001
    assert grid_difference(_volume("a"), _volume("b", affine=nearly)) is None
    check_same_grid(_volume("image.nii"), _volume("label.nii", affine=nearly))


@pytest.mark.parametrize(
    "largest, dtype", [(2, np.uint8), (255, np.uint8), (256, np.uint16)]
)
def test_written_label_lies_on_the_image_grid(tmp_path, path, largest, dtype):
    affine = np.array([[0, -2, 0.1, 9], [1, 0, 0, -4], [0, 0.1, 3, 5], [0, 0, 0, 1]])
    image = nib.Nifti1Image(np.zeros((4, 3, 2), np.int16), affine)
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="scanner")
    image.header.set_xyzt_units("mm")
    image.header["cal_max"] = 400
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, path)
    label = np.zeros((4, 3, 2), np.int64)
    label[1, 2, 0] = largest
    write_label(tmp_path / "label.nii.gz", label, like=path)
    written = nib.load(tmp_path / "label.nii.gz")
    assert written.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(written.dataobj), label)
    np.testing.assert_array_equal(written.affine, nib.load(path).affine)
    assert int(written.header["sform_code"]) == 4  # mni
    assert int(written.header["qform_code"]) == 1  # scanner
    assert written.header.get_xyzt_units()[0] == "mm"
    assert float(written.header["cal_max"]) == 0.0


def test_label_of_another_shape_is_not_written(tmp_path, path):
    _save(path, np.zeros((4, 3, 2), np.int16))
    message = re.escape("must have the shape (4, 3, 2)")
    with pytest.raises(ValueError, match=message):
        write_label(tmp_path / "label.nii", np.zeros((3, 4, 2), int), like=path)
    assert not (tmp_path / "label.nii").exists()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("time_unit", [0, 8, 40])
@pytest.mark.parametrize("unit, mm", [(0, 1), (1, 1000), (2, 1), (3, 0.001), (5, 1)])
def test_lengths_are_in_the_unit_of_the_header(
    tmp_path, kind, name, time_unit, unit, mm
):
    affine_mm = np.array(
        [[0, -2, 0.1, 90], [1, 0, 0, -40], [0, 0.1, 3, 50], [0, 0, 0, 1]]
    )
    stored = np.diag([1 / mm, 1 / mm, 1 / mm, 1]) @ affine_mm
    image = kind(np.zeros((3, 4, 5, 2), np.float32), stored)
    image.header["xyzt_units"] = unit + time_unit
    image.header["pixdim"][4] = 2500  # a repetition time
    nib.save(image, tmp_path / name)
    volume = read_image(tmp_path / name)
    np.testing.assert_allclose(volume.affine, affine_mm, rtol=1e-5)
    np.testing.assert_allclose(image_of(image).affine, affine_mm, rtol=1e-5)
    notes = {1: ["is metre, it is conv"], 3: ["is micrometre, it"], 5: ["no unit of"]}
    for note, expected in zip(volume.notes, notes.get(unit, []), strict=True):
        assert expected in note
    # What is written for it is as the image's own file is.
    write_label(tmp_path / "b.nii", np.zeros((3, 4, 5), int), like=tmp_path / name)
    written = nib.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(written.affine, nib.load(tmp_path / name).affine)
    assert int(written.header["xyzt_units"]) == unit + time_unit
    check_same_grid(volume, read_label(tmp_path / "b.nii"))


@pytest.mark.parametrize(
    "unit, spacing, told",
    [
        # Of files that say metre and mean millimetre.
        ("meter", 1.0, r"1000 x 1000 x 1000 mm \(its unit of length is metre\)"),
        ("meter", 0.11, "is metre.*, expected 1e-05 to 100 mm"),
        ("micron", 1e-3, "1e-06 x 1e-06 x 1e-06 mm .*is micrometre"),
    ],
)
def test_a_unit_that_gives_no_scan_is_named(path, unit, spacing, told):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, path)
    for reading in (lambda: image_of(image), lambda: read_image(path)):
        with pytest.raises(InputError, match=f"volume.nii.gz has the spacing .*{told}"):
            reading()


@pytest.mark.parametrize("name", ["a.dtseries.nii", "a.dconn.nii", "a.dscalar.nii.gz"])
@pytest.mark.parametrize("intent", [3000, 3001, 3002, 3006, 3099])
def test_cifti_is_refused_by_name(tmp_path, name, intent):
    image = nib.Nifti2Image(np.zeros((1, 1, 1, 1, 4, 9), np.float32), np.eye(4))
    image.header["intent_code"] = intent
    nib.save(image, tmp_path / name)
    for read in (read_image, read_label):
        with pytest.raises(InputError, match=f"{name} is CIFTI, .* expected a volume"):
            read(tmp_path / name)


def test_cifti_as_nibabel_writes_it_is_refused_by_name(tmp_path):
    axes = (
        nib.cifti2.SeriesAxis(0, 1, 3),
        nib.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2), bool), affine=np.eye(4)),
    )
    image = nib.Cifti2Image(np.zeros((3, 8), np.float32), axes)
    nib.save(image, tmp_path / "a.dtseries.nii")
    with pytest.raises(InputError, match="a.dtseries.nii is CIFTI"):
        read_image(tmp_path / "a.dtseries.nii")
    with pytest.raises(InputError, match="got a Cifti2Image"):
        image_of(nib.load(tmp_path / "a.dtseries.nii"))


@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz"])
def test_the_extension_of_the_image_is_not_that_of_its_label(tmp_path, path, name):
    image = nib.Nifti1Image(np.zeros((4, 3, 2), np.int16), np.eye(4))
    for code, content in ((6, b"Doe^Jane" * 200), (44, b"<labels/>")):
        extension = nib.nifti1.Nifti1Extension(code, content)
        image.header.extensions.append(extension)
    nib.save(image, path)
    write_label(tmp_path / name, np.ones((4, 3, 2), int), like=path)
    written = nib.load(tmp_path / name)
    assert len(written.header.extensions) == 0
    assert written.dataobj.offset == 352
    np.testing.assert_array_equal(np.asarray(written.dataobj), 1)
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "rb") as file:
        assert b"Doe" not in file.read()


_ANALYZE = [nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage]


@pytest.mark.parametrize("kind", _ANALYZE)
def test_analyze_does_not_tell_left_from_right(tmp_path, kind):
    image = kind(np.zeros((4, 3, 2), np.int16), np.eye(4))
    nib.save(image, tmp_path / "a.img")
    for given in (image, nib.load(tmp_path / "a.img")):
        message = "is ANALYZE, which does not tell left from right, expected NIfTI"
        with pytest.raises(InputError, match=message):
            image_of(given)
    for name in ("a.img", "a.hdr"):
        with pytest.raises(InputError, match=f"{name} is of no .* ANALYZE where its"):
            read_image(tmp_path / name)
    (tmp_path / "a.img").rename(tmp_path / "a.nii")
    with pytest.raises(InputError, match="a.nii"):
        read_image(tmp_path / "a.nii")


def test_a_volume_without_codes_is_told_as_it_is_taken(path):
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), None)
    nib.save(image, path)
    volume = read_image(path)
    (note,) = volume.notes
    assert "stored from right to left, back to front and bottom to top" in note
    assert nib.aff2axcodes(volume.affine) == ("L", "A", "S")
    np.testing.assert_allclose(volume.affine @ [1, 1.5, 2, 1], [0, 0, 0, 1])


_TURNED = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("unit", ["mm", "meter", "unknown"])
@pytest.mark.parametrize(
    "change, words",
    [
        (np.diag([-1.0, 1, 1, 1]), "are mirrored to each other"),
        (_TURNED, "differ"),
        (np.eye(4) + np.eye(4, k=3) * 0.3, "differ"),
        (np.eye(4) + np.eye(4, k=3) * 0.01, None),
        (np.eye(4), None),
    ],
)
def test_forms_that_contradict_each_other_are_noted(path, unit, change, words):
    scale = np.diag([*[0.001 if unit == "meter" else 1.0] * 3, 1.0])
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), scale)
    image.header.set_xyzt_units(unit)
    image.set_qform(scale @ change, code=1)
    image.set_sform(scale, code=2)
    nib.save(image, path)
    volume = read_image(path)
    np.testing.assert_allclose(volume.affine, np.eye(4), atol=1e-6)
    found = [note for note in volume.notes if "sform (code 2)" in note]
    assert len(found) == (words is not None)
    for note in found:
        assert f"qform (code 1) {words}" in note
        assert note.endswith("mm apart; the sform is used")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("ending", [".Nii", ".Nii.Gz", ".NII.gz", ".nii.GZ"])
def test_endings_in_any_letters(tmp_path, kind, ending):
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    stored = kind(voxels, np.diag([1.0, 2.0, 3.0, 1.0]))
    small = tmp_path / f"a{ending.lower()}"
    nib.save(stored, small)
    path = small.rename(tmp_path / f"b{ending}")
    image = read_image(path)
    np.testing.assert_array_equal(image.array[..., 0], voxels)
    np.testing.assert_array_equal(image.affine, stored.affine)
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="cannot be read as NIfTI"):
        read_image(path)


def _with_fields(path, **fields):
    """A file of which nibabel does not mend the fields that are set."""
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.diag([1.0, 2, 3, 1]))
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    image.header.set_xyzt_units("mm")
    for name, value in fields.items():
        image.header[name] = value
    with open(path, "wb") as file:
        file.write(image.header.binaryblock + bytes(4) + bytes(48))
    return path


_LAS = (-1.0, 2.0, 3.0)
_RAS = (1.0, 2.0, 3.0)


@pytest.mark.parametrize("code", [6, 255, -1])
@pytest.mark.parametrize(
    "other, form, axes, told",
    [
        (0, "sform", _LAS, ["{}_code is {}", "neither sform nor qform tells"]),
        (0, "qform", _LAS, ["{}_code is {}", "neither sform nor qform tells"]),
        (1, "sform", _RAS, ["{}_code is {}"]),
        (1, "qform", _RAS, ["{}_code is {}"]),
    ],
)
def test_a_code_that_nifti_does_not_have_is_told(
    tmp_path, code, other, form, axes, told
):
    codes = {"sform_code": other, "qform_code": other, f"{form}_code": code}
    path = _with_fields(tmp_path / "a.nii", vox_offset=352, magic=b"n+1", **codes)
    image = read_image(path)
    np.testing.assert_array_equal(np.diag(image.affine)[:3], axes)
    assert len(image.notes) == len(told)
    for note, words in zip(image.notes, told, strict=True):
        assert note.startswith(f"{path}: ") and words.format(form, code) in note


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 1.4, np.inf])
def test_a_quaternion_that_is_none_is_told(tmp_path, value):
    fields = {"vox_offset": 352, "magic": b"n+1", "quatern_b": value}
    path = _with_fields(tmp_path / "a.nii", **fields)
    (note,) = read_image(path).notes
    assert "a.nii: the qform (code 1) is none, with the quaternion" in note
    assert f"{value:g}, 0, 0; the sform is used" in note
    path = _with_fields(tmp_path / "b.nii", sform_code=0, **fields)
    with pytest.raises(InputError, match="b.nii"):
        read_image(path)
