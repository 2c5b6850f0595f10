"""The rows of docs/bad_input.md: a test makes each bad input and checks its message.

`verify_dataset` must refuse bad files of a case, for this case only, and the reader of
the converter must refuse them too.
"""

import contextlib
import gzip
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.case_conversion import Recipe, convert_case
from data_tools.conversion.class_ids import to_class_ids
from data_tools.datasets.open_dataset import read_dataset
from data_tools.inspection.verification import verify
from tests.data_tools.full_disk import largest_file
from tests.data_tools.in_process import (
    convert_by_flags,
    convert_here,
    open_dataset,
    split,
)
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.volumes import volume_limits
from tf_diffseg.volumes.volume_files import read_case

_DOCS = pathlib.Path(__file__).parents[2] / "docs" / "bad_input.md"
SHAPE = (8, 9, 10)


@pytest.fixture
def folder(msd_folder):
    """A good case, and a case "bad" that a test damages."""
    msd_folder.add_case("good", seed=1)
    msd_folder.add_case("bad", seed=2, affine=np.eye(4))
    msd_folder.image = msd_folder.folder / "imagesTr" / "bad.nii.gz"
    msd_folder.label = msd_folder.folder / "labelsTr" / "bad.nii.gz"
    return msd_folder


def _refused(folder, *words):
    """Checks that the case "bad" is refused everywhere with these words."""
    dataset = read_dataset(folder.folder)
    (error,) = _errors(dataset)
    assert error.uid == "bad"
    _is_one_line(error.message, "bad", *words)
    with _raises(*words):
        dataset = open_dataset(folder.folder)
        cases = {case.uid: case for case in dataset.cases}
        read_case(cases["bad"], num_channels=1)


def _errors(dataset):
    return [p for p in verify(dataset) if p.severity.value == "error"]


@contextlib.contextmanager
def _raises(*words):
    with pytest.raises(InputError) as raised:
        yield
    _is_one_line(str(raised.value), *words)


def _is_one_line(message, *words):
    assert message.isprintable()
    for word in words:
        assert word in message


def _set_header(path, offset, dtype, values):
    """Replaces some bytes of the header in a .nii.gz file."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    replaced = np.asarray(values, dtype).tobytes()
    content[offset : offset + len(replaced)] = replaced
    path.write_bytes(gzip.compress(content))


def _set_sform(path, rows):
    _set_header(path, 254, "<i2", [1])  # sform_code
    _set_header(path, 280, "<f4", rows)


def test_truncated_gzip(folder):
    folder.image.write_bytes(folder.image.read_bytes()[:-500])
    _refused(folder, "bad.nii.gz is damaged", "ended before the end")


def test_damaged_gzip(folder):
    content = bytearray(folder.image.read_bytes())
    content[1000:1100] = bytes(100)
    folder.image.write_bytes(content)
    _refused(folder, "bad.nii.gz is damaged")


def test_wrong_magic(folder):
    _set_header(folder.image, 344, "S4", [b"oops"])
    _refused(folder, "bad.nii.gz", "magic")


def test_file_of_another_kind(folder):
    folder.image.write_bytes(b"\x89PNG and so on")
    _refused(folder, "imagesTr/bad.nii.gz cannot be read as NIfTI")


def test_more_voxels_than_the_file_holds(folder):
    _set_header(folder.image, 42, "<i2", [30000] * 3)
    with _without_allocating():
        _refused(folder, "its header tells of 30000x30000x30000 voxels", "damaged")


@contextlib.contextmanager
def _without_allocating():
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**24
    assert time.process_time() - start < 10


def test_more_voxels_than_memory(folder):
    """The file is as large as its header says, but sparse: the disk holds it."""
    depth = 1 + int(1.1 * volume_limits.memory_bytes() / (4 * 16000 * 16000))
    path = folder.folder / "imagesTr" / "bad.nii"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), path)
    with open(path, "r+b") as file:
        file.seek(42)
        file.write(np.array([16000, 16000, depth], "<i2").tobytes())
        try:
            file.truncate(352 + 16000 * 16000 * depth)
        except OSError:
            pytest.skip("the disk takes no file of that size, with holes or without")
    folder.fields["training"][1]["image"] = "imagesTr/bad.nii"
    folder.write()
    with _without_allocating():
        _refused(folder, f"bad.nii is too large: 16000x16000x{depth} voxels take")


@pytest.mark.parametrize("spacing", [0.0, -1.0])
def test_zero_or_negative_spacing(folder, spacing):
    _set_header(folder.image, 80, "<f4", [spacing])
    _refused(folder, f"imagesTr/bad.nii.gz has the spacing {spacing:g} x 1 x 1 mm")


def test_spacing_out_of_all_proportion(folder):
    _set_sform(folder.image, np.diag([1.0, 1.0, 1e9, 1.0])[:3])
    _refused(folder, "imagesTr/bad.nii.gz has the spacing 1 x 1 x 1e+09 mm")


def _in_unit(path, unit, factor):
    """Rewrites a file in another unit of length; returns its affine in mm."""
    image = nib.load(path)
    affine = np.diag([factor, factor, factor, 1]) @ image.affine
    changed = nib.Nifti1Image(np.asarray(image.dataobj), affine)
    changed.header.set_xyzt_units(unit)
    nib.save(changed, path)
    return image.affine


@pytest.mark.parametrize("unit, factor", [("meter", 1e-3), ("micron", 1e3)])
def test_units_other_than_millimetres(folder, unit, factor):
    expected = _in_unit(folder.image, unit, factor)
    dataset = read_dataset(folder.folder)
    read_case(dataset.cases[0], num_channels=1)  # the label's grid is the same in mm
    _in_unit(folder.label, unit, factor)
    problems = verify(dataset)
    assert {problem.severity.value for problem in problems} == {"warning"}
    assert "the unit of length is" in problems[0].message
    image, label = read_case(dataset.cases[0], num_channels=1)
    np.testing.assert_allclose(image.affine, expected, rtol=1e-5)
    np.testing.assert_allclose(label.affine, expected, rtol=1e-5)


def test_metres_where_millimetres_are_meant(folder):
    _in_unit(folder.image, "meter", 1.0)
    _refused(
        folder, "bad.nii.gz has the spacing 1000 x 1000", "unit of length is metre"
    )


def test_cifti_in_place_of_a_volume(folder):
    image = nib.Nifti2Image(np.zeros((1, 1, 1, 1, 4, 9), np.float32), np.eye(4))
    image.header["intent_code"] = 3002
    nib.save(image, folder.image)
    _refused(folder, "bad.nii.gz is CIFTI, values of brain surfaces")


def _not_converted(folder, spacing_mm, *words):
    """Checks that the case "bad" has good files, but is refused at this spacing."""
    dataset = open_dataset(folder.folder)
    assert not _errors(dataset)
    config = VolumePreprocessor(spacing_mm).get_config()
    with _without_allocating(), _raises("case 'bad': ", "bad.nii.gz", *words):
        convert_case(dataset.cases[0], Recipe.of(dataset, config, "float32"))


def _enlarge(folder):
    """Gives the case "bad" voxels of 900 mm."""
    for path in (folder.image, folder.label):
        _set_sform(path, np.diag([900.0, 900.0, 900.0, 1.0])[:3])


def test_volume_too_large_for_the_new_spacing(folder):
    _enlarge(folder)
    words = "bad.nii.gz is too large for a spacing of 0.5 x 1 x 1 mm", "900 x 900 x 900"
    _not_converted(folder, (0.5, 1, 1), *words)


def test_scan_of_less_than_a_voxel(folder):
    for path in (folder.image, folder.label):
        _in_unit(path, "micron", 1.0)
    words = "measures 0.008 x 0.009 x 0.01 mm, less than one voxel of 0.5 x 1 x 1 mm"
    _not_converted(folder, (0.5, 1, 1), words)


def test_case_too_large_for_a_record(folder, monkeypatch):
    monkeypatch.setattr(volume_limits, "memory_bytes", lambda: 2**40)
    _enlarge(folder)
    words = "bad.nii.gz is too large: its 720x810x900 processed voxels", "2.4 GiB"
    _not_converted(folder, (10, 10, 10), *words, "`volume_shape`", "`spacing_mm`")


def test_singular_affine(folder):
    _set_sform(folder.label, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]])
    _refused(folder, "labelsTr/bad.nii.gz has a singular affine")


def test_nan_in_the_affine(folder):
    _set_sform(folder.image, [[np.nan, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    _refused(folder, "imagesTr/bad.nii.gz has an affine with values that are NaN")


def _save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def test_nan_voxels(folder):
    image = np.zeros(SHAPE, np.float32)
    image[1, 2, 3:5] = np.nan, np.inf
    _save(folder.image, image)
    _refused(folder, "imagesTr/bad.nii.gz has 2 voxel(s) that are NaN or infinite")


def test_labels_that_are_no_whole_numbers(folder):
    label = np.zeros(SHAPE, np.float32)
    label[0], label[1, 0, 0] = 2.0, 6.5
    _save(folder.label, label)
    _refused(folder, "labelsTr/bad.nii.gz holds the label value 6.5, expected whole")


def test_more_classes_than_declared(folder):
    label = np.zeros(SHAPE, np.uint8)
    label[0], label[1] = 2, 9
    _save(folder.label, label)
    dataset = open_dataset(folder.folder)
    (error,) = _errors(dataset)
    words = "labelsTr/bad.nii.gz holds the undeclared label value 9, declared are 0, 2"
    _is_one_line(error.message, "case 'bad'", words)
    _, label = read_case(dataset.cases[0], num_channels=1)
    with pytest.raises(InputError, match="labelsTr/bad.nii.gz holds .* value 9, "):
        to_class_ids(label, dataset.label_values)


@pytest.mark.parametrize(
    "shape, affine, words",
    [
        ((8, 9, 11), np.eye(4), "has shape (8, 9, 11), its image"),
        (SHAPE, np.diag([2.0, 1, 1, 1]), "have different affines (in spacing)"),
    ],
)
def test_image_and_label_on_different_grids(folder, shape, affine, words):
    label = np.full(shape, 2, np.uint8)
    label[0], label[1] = 0, 7
    _save(folder.label, label, affine)
    _refused(folder, "labelsTr/bad.nii.gz", words)


def test_wrong_number_of_channels(folder):
    _save(folder.image, np.random.default_rng(0).normal(size=(*SHAPE, 2)))
    _refused(folder, "imagesTr/bad.nii.gz has 2 channel(s), the data set declares 1")


@pytest.mark.parametrize("name", ["../outside/bad.nii.gz", "/etc/bad.nii.gz"])
def test_path_that_leaves_the_folder(folder, name):
    shutil.copytree(folder.image.parent, folder.folder.parent / "outside")
    folder.fields["training"][1]["image"] = name
    folder.write()
    _refused(folder, "bad.nii.gz lies outside of", "the folder of the data set")


def test_loop_of_links(folder):
    folder.image.unlink()
    folder.image.symlink_to(folder.image.with_name("other.nii.gz"))
    folder.image.with_name("other.nii.gz").symlink_to(folder.image)
    _refused(folder, "imagesTr/bad.nii.gz cannot be opened: Too many levels of symb")


def test_missing_file(folder):
    folder.label.unlink()
    _refused(folder, "labelsTr/bad.nii.gz does not exist")


def test_pipe_in_place_of_a_file(folder):
    folder.image.unlink()
    os.mkfifo(folder.image)
    _refused(folder, "imagesTr/bad.nii.gz is not a regular file")


def _become_nobody():
    try:
        os.seteuid(65534)
    except OSError:
        pytest.skip("this sandbox has one user, who reads everything")


def test_unreadable_file(folder):
    folder.image.chmod(0o000)
    with tempfile.TemporaryDirectory() as copy:
        # Root reads everything, so it tests as nobody, who may not enter tmp_path.
        os.chmod(copy, 0o755)
        shutil.copytree(folder.folder, copy, dirs_exist_ok=True)
        os.chmod(copy, 0o755)
        folder.folder, user = pathlib.Path(copy), os.geteuid()
        try:
            if user == 0:
                _become_nobody()
            _refused(folder, "imagesTr/bad.nii.gz cannot be opened: Permission denied")
        finally:
            os.seteuid(user)


def test_two_cases_with_one_uid(folder):
    other = folder.folder / "more"
    shutil.copytree(folder.image.parent, other)
    _save(other / "bad.nii.gz", np.random.default_rng(5).normal(size=SHAPE))
    folder.fields["training"].append(
        {"image": "more/bad.nii.gz", "label": "labelsTr/bad.nii.gz"}
    )
    folder.write()
    dataset = read_dataset(folder.folder)
    (error,) = _errors(dataset)
    assert (error.uid, error.check) == ("bad", "uid")
    words = "2 cases have the uid 'bad': ", "imagesTr/bad.nii.gz", "more/bad.nii.gz'"
    _is_one_line(error.message, *words)
    with _raises(*words):
        open_dataset(folder.folder)


def test_damaged_json(folder):
    text = folder.dataset_json.read_text()
    folder.dataset_json.write_text(text[: len(text) // 2])
    with _raises("dataset.json cannot be read as JSON: "):
        read_dataset(folder.folder)


def test_empty_split(folder, tmp_path):
    """The names of both cases put them into the same split."""
    fractions = {"train": 0.999999, "rare": 0.000001}
    manifest = convert_here(folder.folder, tmp_path / "out", fractions)
    sizes = {name: len(split.uids) for name, split in manifest.splits.items()}
    assert sizes == {"train": 1, "rare": 1}
    (text,) = (of["text"] for of in manifest.warnings if of["kind"] == "splits")
    _is_one_line(text, "1 of 2 case(s) are not where their names", "in rare")


def test_one_image_in_two_splits(msd_folder, tmp_path):
    """Only a true copy is refused, not an image with the same statistics."""
    fractions = {"train": 0.5, "test": 0.5}
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    msd_folder.add_case("a", seed=1, image=image)  # "a" is in the split test
    msd_folder.add_case("b", seed=2, image=image[::-1])  # "b" is in train
    convert_here(msd_folder.folder, tmp_path / "out", fractions)
    _save(msd_folder.folder / "imagesTr" / "b.nii.gz", image)
    _save(msd_folder.folder / "labelsTr" / "b.nii.gz", np.full(SHAPE, 2, np.uint8))
    (error,) = verify(split(open_dataset(msd_folder.folder), fractions))[:1]
    words = "case 'b': its image has the voxels of case 'a'", "in the split train"
    _is_one_line(error.message, *words)
    words = "case 'a': its image has the voxels of case 'b'", "in the split test"
    with _raises(*words):
        convert_here(msd_folder.folder, tmp_path / "out", fractions, overwrite=True)
    skip = {"overwrite": True, "skip_bad_cases": True}
    with pytest.raises(InputError, match="no case of the split 'test' can be conver"):
        convert_here(msd_folder.folder, tmp_path / "out", fractions, **skip)


def test_spaces_and_any_script_in_names(msd_folder, tmp_path):
    msd_folder.folder = msd_folder.folder.rename(tmp_path / "größe und 脑")
    msd_folder.add_case("Пример 1 é", affine=np.eye(4))
    output = tmp_path / "out put"
    convert_by_flags(
        dataset_json=msd_folder.dataset_json, output_dir=output, split="all=1"
    )
    (split,) = read_manifest(output).splits.values()
    assert split.uids == ["Пример 1 é"]


@contextlib.contextmanager
def _small_disk(folder, size):
    """A file system of `size` bytes at `folder`; skips where nobody may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, capture_output=True).returncode
    ):
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_in_mid_write(toy_folder, tmp_path):
    with _small_disk(tmp_path / "disk", 64 << 10) as disk:
        flags = {"dataset_json": toy_folder.folder, "output_dir": disk / "out"}
        with pytest.raises(InputError, match="cannot write .*No space left on device"):
            convert_by_flags(split="all=1", skip_bad_cases=True, **flags)
        assert not (disk / "out").exists()


def test_file_that_may_not_grow(toy_folder, tmp_path):
    """A quota does the same."""
    flags = {"dataset_json": toy_folder.folder, "output_dir": tmp_path / "out"}
    with pytest.raises(InputError, match="cannot write .*File too large"):
        with largest_file(2000):
            convert_by_flags(split="all=1", skip_bad_cases=True, **flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not _DOCS.is_file(), reason="Bazel builds no documents")
def test_every_row_of_the_docs_has_its_test():
    text = _DOCS.read_text(encoding="utf-8").partition("\n## What is refused\n")[2]
    section = text.partition("\n## ")[0]
    rows = [line for line in section.splitlines() if "`test_" in line]
    named = {row.split("`test_")[-1].partition("`")[0] for row in rows}
    tests = {
        name.removeprefix("test_") for name in globals() if name.startswith("test_")
    }
    assert named == tests - {"every_row_of_the_docs_has_its_test"}
