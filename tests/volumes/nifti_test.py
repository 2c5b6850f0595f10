"""NIfTI files are read as they are meant, and every defect has a message."""

import gzip
import logging
import re
import sys
import time

import nibabel as nib
import numpy as np
import pytest

from tests.volumes.file_bytes import read_bytes, replace_bytes, write_bytes
from tf_diffseg.errors import InputError
from tf_diffseg.volumes import volume_limits
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


def _overwrite_voxels(path):
    content = bytearray(path.read_bytes())
    for place in range(1000, len(content) - 1000, 1000):
        content[place : place + 50] = b"\xff" * 50
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_text("not a volume"), "cannot be read as NIfTI"),
        (lambda path: path.write_bytes(path.read_bytes()[:-900]), "is damaged"),
        (_overwrite_voxels, "(is damaged|cannot be)"),
    ],
)
def test_damaged_files_are_refused(path, damage, message):
    damage(_save(path, np.random.default_rng(0).normal(size=(30, 30, 30))))
    for read in (read_image, read_label):
        with pytest.raises(InputError, match=f"volume.nii.gz {message}"):
            read(path)


def test_every_damage_of_the_compressed_stream_is_read_or_refused(path):
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


def test_the_header_of_a_file_with_extensions_is_checked(path):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 999))
    nib.save(image, path)
    assert read_image(path).notes == ()
    replace_bytes(path, 80, "<f4", [-1.0])
    with pytest.raises(InputError, match="has the spacing -1 x 1 x 1"):
        read_image(path)


_HEADER_OF_30000_CUBED = "is damaged: its header tells of 30000x30000x30000 voxels"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    "offset, dtype, values, message",
    [
        (70, "<i2", [9999], "cannot be read as NIfTI: .*9999"),
        (42, "<i2", [30000] * 3, _HEADER_OF_30000_CUBED),
        (80, "<f4", [0.0], "has the spacing 0 x 1 x 1"),
        (80, "<f4", [-1.0], "has the spacing -1 x 1 x 1"),
        (80, "<f4", [np.nan], "has the spacing nan x 1 x 1"),
        (80, "<f4", [np.inf], "has the spacing inf x 1 x 1"),
    ],
)
def test_wrong_header_fields_are_refused(
    tmp_path, name, offset, dtype, values, message
):
    path = _save(tmp_path / name, np.zeros((2, 2, 2), np.uint8))
    replace_bytes(path, offset, dtype, values)
    for read in (read_image, read_label):
        with pytest.raises(InputError, match=f"{name} {message}"):
            read(path)


def test_more_voxels_than_memory(path, monkeypatch):
    _save(path, np.zeros((8, 8, 8), np.float32))
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2047)
    with pytest.raises(InputError, match="volume.nii.gz is too large: 8x8x8 voxels"):
        read_image(path)
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2048)
    read_image(path)


_ANALYZE = [nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage]


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, *_ANALYZE])
def test_pairs_of_files_and_analyze_are_refused(tmp_path, kind):
    image = kind(np.zeros((4, 3, 2), np.int16), np.eye(4))
    nib.save(image, tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        path = tmp_path / name
        with pytest.raises(InputError, match=f"{name} is of no .* ANALYZE where its"):
            read_image(path)
        with pytest.raises(InputError, match=f"{name} is of no known format, expect"):
            write_label(tmp_path / "label.nii", np.zeros((4, 3, 2), int), like=path)
    assert not (tmp_path / "label.nii").exists()
    if kind in _ANALYZE:
        message = "is ANALYZE, which does not tell left from right, expected NIfTI"
        for given in (image, nib.load(tmp_path / "a.img")):
            with pytest.raises(InputError, match=message):
                image_of(given)
    (tmp_path / "a.img").rename(tmp_path / "a.nii")
    with pytest.raises(InputError, match="a.nii"):
        read_image(tmp_path / "a.nii")


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


_COLOUR = [("R", "u1"), ("G", "u1"), ("B", "u1")]
_TWO_BAD_VOXELS = np.zeros((3, 3, 3), np.float32)
_TWO_BAD_VOXELS[0, 0] = np.nan, np.inf, 1.0


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((8, 8)), r"is 2D \(8x8\), expected a 3D volume"),
        (
            np.zeros((4, 4, 4, 2, 3)),
            r"is 5D \(4x4x4x2x3\), expected a 3D volume, or a 4D one",
        ),
        (np.zeros((4, 0, 4)), r"has no voxels \(4x0x4\)"),
        (_TWO_BAD_VOXELS, r"has 2 voxel\(s\) that are NaN or infinite"),
        (np.zeros((3, 3, 3), _COLOUR), "expected numbers"),
        (np.full((2, 2, 2), 1e300), r"8 voxel\(s\) that are NaN or infinite"),
    ],
    ids=["2D", "5D", "empty", "not finite", "colour", "beyond float32"],
)
def test_arrays_that_are_no_image_are_refused(path, array, message):
    with pytest.raises(InputError, match=message):
        read_image(_save(path, array))


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
        ([[1, 1, 0, 0], [2, 2, 0, 0], [0, 0, 1, 0]], "singular affine: .* one plane"),
        ([[1, 1, 0, 0], [0, 1e-3, 0, 0], [0, 0, 1, 0]], "singular affine"),
        ([[1, 0, 0, 0], [0, np.nan, 0, 0], [0, 0, 1, 0]], "affine .* NaN or infinite"),
        ([[1, 0, 0, np.inf], [0, 1, 0, 0], [0, 0, 1, 0]], "affine .* NaN or infinite"),
        ([[1e4, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], "spacing 10000 x 1 x 1 mm"),
    ],
)
def test_unusable_affines_are_refused(path, rows, message):
    with pytest.raises(InputError, match=f"volume.nii.gz has .*{message}"):
        read_image(_with_affine(path, rows))


def test_sheared_affine_of_a_tilted_gantry_is_fine(path):
    rows = [[1, 0, 0, 0], [0, 1, 0.5, 0], [0, 0, 2, 0]]
    image = read_image(_with_affine(path, rows))
    np.testing.assert_array_equal(image.affine[:3], rows)


def test_a_spacing_other_than_that_of_the_affine_is_noted(path):
    rows = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    (note,) = read_image(_with_affine(path, rows)).notes
    assert "'pixdim' tells of a spacing of 1 x 1 x 1 mm, the affine, " in note
    assert note.endswith("which is used, of 2 x 1 x 1 mm")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_data_behind_the_voxels_is_noted(tmp_path, name):
    path = _save(tmp_path / name, np.ones((3, 3, 3), np.float32))
    assert read_image(path).notes == ()
    write_bytes(path, read_bytes(path) + bytes(5))
    (note,) = read_image(path).notes
    assert note == f"{path}: 5 byte(s) follow the voxels, unused"


def test_only_some_of_the_data_behind_the_voxels_is_read(path):
    _save(path, np.ones((3, 3, 3), np.float32))
    member = gzip.compress(bytes(1 << 24))
    with open(path, "ab") as file:
        for _ in range(1 << 10):  # 16 GiB
            file.write(member)
    start = time.process_time()
    (note,) = read_image(path).notes
    assert time.process_time() - start < 10
    assert "more than 64 MiB follow the voxels" in note


def test_repairs_of_nibabel_are_not_logged(path, capfd):
    """The root logger's handlers do not print them either."""
    _save(path, np.ones((3, 3, 3), np.float32))
    replace_bytes(path, 252, "<i2", [77])  # NIfTI has no such qform_code
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


def test_label_of_another_shape_is_not_written(tmp_path, path):
    _save(path, np.zeros((4, 3, 2), np.int16))
    message = re.escape("must have the shape (4, 3, 2)")
    with pytest.raises(ValueError, match=message):
        write_label(tmp_path / "label.nii", np.zeros((3, 4, 2), int), like=path)
    assert not (tmp_path / "label.nii").exists()


@pytest.mark.parametrize(
    "kind, name, time_unit",
    [
        (nib.Nifti1Image, "a.nii", 0),
        (nib.Nifti1Image, "a.nii.gz", 8),
        (nib.Nifti2Image, "a.nii", 40),
        (nib.Nifti2Image, "a.nii.gz", 0),
    ],
)
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
    # The label map has the affine and the unit of the image's file.
    write_label(tmp_path / "b.nii", np.zeros((3, 4, 5), int), like=tmp_path / name)
    written = nib.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(written.affine, nib.load(tmp_path / name).affine)
    assert int(written.header["xyzt_units"]) == unit + time_unit
    check_same_grid(volume, read_label(tmp_path / "b.nii"))


@pytest.mark.parametrize(
    "unit, spacing, words",
    [
        # The unit of files that say metre and mean millimetre.
        ("meter", 1.0, r"1000 x 1000 x 1000 mm \(its unit of length is metre\)"),
        ("meter", 0.11, "is metre.*, expected 1e-05 to 100 mm"),
        ("micron", 1e-3, "1e-06 x 1e-06 x 1e-06 mm .*is micrometre"),
    ],
)
def test_a_unit_that_gives_no_possible_spacing_is_named(path, unit, spacing, words):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, path)
    for reading in (lambda: image_of(image), lambda: read_image(path)):
        with pytest.raises(
            InputError, match=f"volume.nii.gz has the spacing .*{words}"
        ):
            reading()


@pytest.mark.parametrize(
    "name, intent",
    [("a.dtseries.nii", 3002), ("a.dconn.nii", 3001), ("a.dscalar.nii.gz", 3099)],
)
def test_cifti_is_refused_by_name(tmp_path, name, intent):
    image = nib.Nifti2Image(np.zeros((1, 1, 1, 1, 4, 9), np.float32), np.eye(4))
    image.header["intent_code"] = intent
    nib.save(image, tmp_path / name)
    for read in (read_image, read_label):
        with pytest.raises(InputError, match=f"{name} is CIFTI, .* expected a volume"):
            read(tmp_path / name)


def test_cifti_of_nibabel_is_refused_by_name(tmp_path):
    axes = (
        nib.cifti2.SeriesAxis(0, 1, 3),
        nib.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2), bool), affine=np.eye(4)),
    )
    path = tmp_path / "a.dtseries.nii"
    nib.save(nib.Cifti2Image(np.zeros((3, 8), np.float32), axes), path)
    with pytest.raises(InputError, match="a.dtseries.nii is CIFTI"):
        read_image(path)
    with pytest.raises(InputError, match="got a Cifti2Image"):
        image_of(nib.load(path))


def test_the_orientation_of_a_volume_without_codes_is_noted(path):
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
@pytest.mark.parametrize("ending", [".Nii", ".NII.gz", ".nii.GZ"])
def test_endings_may_have_capital_letters(tmp_path, kind, ending):
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
    """Writes a file with fields that nibabel does not repair."""
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.diag([1.0, 2, 3, 1]))
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    image.header.set_xyzt_units("mm")
    image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
    for name, value in fields.items():
        image.header[name] = value
    path.write_bytes(image.header.binaryblock + bytes(4) + bytes(48))
    return path


@pytest.mark.parametrize("form", ["sform", "qform"])
@pytest.mark.parametrize("other, code", [(0, 6), (0, 255), (1, 255), (1, -1)])
def test_a_code_that_nifti_does_not_have_is_noted(tmp_path, form, other, code):
    codes = {"sform_code": other, "qform_code": other, f"{form}_code": code}
    path = _with_fields(tmp_path / "a.nii", **codes)
    image = read_image(path)
    np.testing.assert_array_equal(np.diag(image.affine)[:3], (1 if other else -1, 2, 3))
    words = [f"{form}_code is {code}"]
    words += [] if other else ["neither sform nor qform tells"]
    for note, expected in zip(image.notes, words, strict=True):
        assert note.startswith(f"{path}: ") and expected in note


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 1.4, np.inf])
def test_a_wrong_quaternion_is_noted(tmp_path, value):
    path = _with_fields(tmp_path / "a.nii", quatern_b=value)
    (note,) = read_image(path).notes
    assert "a.nii: the qform (code 1) is not valid, its quaternion is" in note
    assert f"{value:g}, 0, 0; the sform is used" in note
    path = _with_fields(tmp_path / "b.nii", sform_code=0, quatern_b=value)
    with pytest.raises(InputError, match="b.nii"):
        read_image(path)
