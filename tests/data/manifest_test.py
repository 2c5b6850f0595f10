"""A manifest is written and read; other files are refused by name."""

import dataclasses
import json
import re

import pytest

from tf_diffseg.data import manifest as manifest_lib
from tf_diffseg.errors import InputError


@pytest.fixture
def manifest():
    split = manifest_lib.Split(
        uids=["a", "b"],
        shards=[manifest_lib.Shard("toy-train.tfrecord-00000-of-00001", 2, "ab12")],
        statistics={"spacing_mm": {"min": [1.0, 1.0, 1.0]}},
    )
    return manifest_lib.Manifest(
        dataset="toy",
        modality="MRI",
        license="CC0",
        class_names=["background", "organ"],
        label_values=[0, 7],
        channel_names=["T1"],
        preprocessing={"intensity": "zscore"},
        splits={"train": split},
    )


def test_round_trip(manifest, tmp_path):
    manifest.write(tmp_path)
    assert manifest_lib.read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert (manifest.num_classes, manifest.num_channels) == (2, 1)


@pytest.mark.parametrize("has_split", [False, True])
def test_a_manifest_without_shards_is_refused(manifest, tmp_path, has_split):
    split = dataclasses.replace(manifest.splits["train"], shards=[])
    splits = {"train": split} if has_split else {}
    dataclasses.replace(manifest, splits=splits).write(tmp_path)
    with pytest.raises(InputError, match="manifest.json is damaged: it has no split"):
        manifest_lib.read_manifest(tmp_path)


def test_shard_paths_need_the_files(manifest, tmp_path):
    name = manifest.splits["train"].shards[0].file_name
    with pytest.raises(InputError, match=f"do not exist: .*{name}"):
        manifest.shard_paths(tmp_path, "train")
    (tmp_path / name).touch()
    assert manifest.shard_paths(tmp_path, "train") == [str(tmp_path / name)]


def test_an_unknown_split_is_refused_with_the_known_ones(manifest):
    with pytest.raises(InputError, match="no split 'test', it has train"):
        manifest.split("test")


def test_folders_without_a_manifest_are_named(tmp_path):
    with pytest.raises(InputError, match="no folder .*nowhere"):
        manifest_lib.read_manifest(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no manifest.json"):
        manifest_lib.read_manifest(tmp_path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is not a manifest of"),
        ('{"name": "app"}', "is not a manifest of"),
        ('{"format_version": 99}', "has format version 99, this code reads 1"),
        ('{"format_version": 1}', "is not a manifest of"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"{re.escape(str(path))} {message}"):
        manifest_lib.read_manifest(tmp_path)


def test_unknown_field_is_refused(manifest, tmp_path):
    fields = {**dataclasses.asdict(manifest), "colour": "blue"}
    (tmp_path / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(InputError, match="colour"):
        manifest_lib.read_manifest(tmp_path)


def test_sha256_of_a_file(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert manifest_lib.file_sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223")
