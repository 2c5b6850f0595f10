"""Inspection describes shards, draws them and checks every byte."""

import json
import shutil

import numpy as np
import pytest

from data_tools.inspection import manifest_text, shard_inspection
from data_tools.inspection.class_volumes import ClassVolumes, volumes_table
from tests.commands import run_module, without_progress
from tests.data_tools.in_process import convert_here
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError


@pytest.fixture(scope="module")
def converted(toy_folder, tmp_path_factory):
    """Folder of shards for each compression, "" and "GZIP"."""
    folders = {}
    for compression in ("", "GZIP"):
        folders[compression] = tmp_path_factory.mktemp("converted") / "toy"
        options = {"num_shards": 2, "compression": compression}
        convert_here(toy_folder.folder, folders[compression], **options)
    return folders


@pytest.fixture
def copy(converted, tmp_path):
    """A copy of the plain shards that a test may damage."""
    return shutil.copytree(converted[""], tmp_path / "copy")


def _problems(folder):
    return shard_inspection.verify(folder, read_manifest(folder)).problems


def _change(folder, change):
    fields = json.loads((folder / "manifest.json").read_text())
    change(fields)
    (folder / "manifest.json").write_text(json.dumps(fields))


def _damage(folder):
    """Changes a bit in the first shard of the split test; returns its path."""
    path = next(folder.glob("*-test.tfrecord-00000-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "compression", [pytest.param("", marks=pytest.mark.slow), "GZIP"]
)
def test_verification_finds_any_damage(converted, tmp_path, compression):
    copy = shutil.copytree(converted[compression], tmp_path / "copy")
    found = shard_inspection.verify(copy, read_manifest(copy))
    assert (found.num_cases, found.problems) == (9, [])
    path = next(copy.glob("*-test.tfrecord-00000-*"))
    path.write_bytes(path.read_bytes()[:-20])
    problems = "\n".join(_problems(copy))
    assert "cannot be read" in problems and "readable cases" in problems
    shutil.copy(converted[compression] / path.name, path)
    _damage(copy)
    checksum, record, *_ = _problems(copy)
    assert f"{path} has the SHA-256 " in checksum
    assert f"{path}, record " in record and "cannot be read" in record
    pictures = shard_inspection.preview(copy, read_manifest(copy), tmp_path / "p")
    with pytest.raises(InputError, match=f"{path} is damaged: [^{{]+; `verify` lists"):
        list(pictures)


def test_a_shard_that_is_gone_and_one_too_many(copy):
    path = next(copy.glob("*-test.tfrecord-00000-*"))
    stray = path.with_name(path.name.replace("00000-of", "00007-of"))
    path.rename(stray)
    assert _problems(copy) == [
        f"{path} does not exist",
        f"{stray} is not in manifest.json",
    ]


def _reverse_uids(fields):
    fields["splits"]["test"]["uids"].reverse()


def _add_uid(fields):
    fields["splits"]["test"]["uids"].append("more")


def _remove_class(fields):
    fields["class_names"].pop(), fields["label_values"].pop()


@pytest.mark.parametrize(
    "change, words",
    [
        (_reverse_uids, "holds other cases than"),
        (_remove_class, "label holds class 2, there are 2"),
        (_add_uid, "its shards"),
    ],
)
def test_a_manifest_that_does_not_fit_the_shards(copy, change, words):
    _change(copy, change)
    assert words in "\n".join(_problems(copy))


def _volumes(data_dir):
    """`(source, stored)` volumes of a data set, by the manifest and by the shards."""
    manifest = read_manifest(data_dir)
    found = shard_inspection.verify(data_dir, manifest)
    by_manifest = [ClassVolumes.of_manifest(manifest, p) for p in ("", "stored_")]
    return by_manifest, [found.source, found.stored]


def test_table_has_the_volumes_in_files_and_in_shards(msd_folder, tmp_path):
    label = np.zeros((12, 12, 12), np.uint8)
    label[1:7, 1:11, 1:11] = 2
    label[8, 1:11, 1:4] = label[8, 1:11, 8:11] = 7  # two sheets, one voxel thick
    for seed, uid in enumerate("ab"):
        image = np.random.default_rng(seed).normal(size=label.shape).astype("f4")
        affine = np.diag([1.0, 1.0, 2.0, 1.0])
        msd_folder.add_case(uid, image=image, label=label, affine=affine)
    settings = {"spacing_mm": (4.0, 4.0, 4.0)}
    convert_here(msd_folder.folder, tmp_path / "out", {"all": 1.0}, settings)
    by_manifest, (source, stored) = _volumes(tmp_path / "out")
    for of_manifest, of_shards in zip(by_manifest, (source, stored), strict=True):
        np.testing.assert_array_equal(of_manifest.cases, of_shards.cases)
        np.testing.assert_array_equal(of_manifest.voxels, of_shards.voxels)
        np.testing.assert_allclose(of_manifest.ml, of_shards.ml)
    assert source.voxels.tolist()[1:] == [2 * 600, 2 * 60]
    np.testing.assert_allclose(source.ml[1:], [2.4, 0.24])
    assert source.components.tolist() == [0, 2, 4]
    assert (stored.cases[2], stored.voxels[2], stored.components[2]) == (0, 0, 0)
    table = volumes_table(source, stored, ["background", "organ", "vessel"])
    cells = ["vessel", "2", "0", "120", "0", "0.24", "0", "4", "0"]
    assert table.splitlines()[-1].split() == cells


def test_an_older_manifest_has_its_volumes_counted(copy):
    def forget(fields):
        del fields["warnings"]
        for split in fields["splits"].values():
            for name in list(split["statistics"]):
                if name.startswith("stored_") or name == "ml_per_class":
                    del split["statistics"][name]

    before, _ = _volumes(copy)
    _change(copy, forget)
    manifest = read_manifest(copy)
    assert manifest.warnings == []
    text = manifest_text.describe_volumes(manifest)
    assert "`verify` counts them" in text
    _, after = _volumes(copy)
    for written, counted in zip(before, after, strict=True):
        np.testing.assert_array_equal(written.voxels, counted.voxels)


def test_command_verifies_and_draws(copy, tmp_path, capsys):
    flags = [f"--data_dir={copy}", f"--preview={tmp_path / 'pictures'}"]
    done = run_module("data_tools.inspect_shards", "--verify", *flags)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert "toy_data-train.tfrecord-00000-of-00002" in done.stdout
    assert "cases of split train" in done.stdout
    assert "verified: all checksums, counts and 9 cases are right" in done.stdout
    assert done.stdout.endswith(f"9 pictures in {tmp_path / 'pictures'}\n")
    pictures = list((tmp_path / "pictures").rglob("*.png"))
    assert sorted(path.stem for path in pictures) == [f"toy_{i:02d}" for i in range(9)]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    next(copy.glob("*-test.tfrecord-00000-*")).unlink()
    with pytest.raises(InputError, match=f"^1 problem.s. in {copy}, listed above$"):
        shard_inspection.print_verification(copy, read_manifest(copy))
    assert "does not exist" in capsys.readouterr().out
