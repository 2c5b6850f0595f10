"""A conversion writes the same bytes, even if it was killed and started again."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.data_tools.conftest import MsdFolder
from tests.data_tools.in_process import contents, convert_by_flags, convert_here
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.data.record_reader import damaged_record
from tf_diffseg.data.shard_index import ShardError
from tf_diffseg.errors import InputError

_ALL = {"train": 1.0}


@pytest.fixture(scope="module")
def few_cases(tmp_path_factory):
    """Folder of a data set of four cases."""
    return MsdFolder(tmp_path_factory.mktemp("few"), num_cases=4).folder


def _kill(source, folder, runs):
    """`(number of killed attempts, steps of the last)` of each run."""
    command = [sys.executable, "-m", "tests.data_tools.kill_conversion"]
    command += [str(source), str(folder)]
    command += [",".join(map(str, steps)) for steps in runs]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_conversion_killed_at_random_steps_ends_the_same(few_cases, tmp_path):
    ((_, num_steps),) = _kill(few_cases, tmp_path / "at_once", [[]])
    rng = random.Random(0)
    # Work that is done is not repeated, so ten short attempts span a whole conversion.
    short = [rng.randint(4, num_steps // 6) for _ in range(10)]
    anywhere = [[rng.randint(1, num_steps // 2)] for _ in range(3)]
    last = [[num_steps - left] for left in range(3, 16, 3)]
    runs = [short, *anywhere, *last]
    killed = [times for times, _ in _kill(few_cases, tmp_path / "killed", runs)]
    assert killed == [10, *[1] * (len(runs) - 1)]
    expected = contents(tmp_path / "at_once" / "0")
    for number in range(len(runs)):
        assert contents(tmp_path / "killed" / str(number)) == expected


def test_the_manifest_keeps_the_groups(few_cases, tmp_path):
    out = tmp_path / "out"
    json_path = few_cases / "dataset.json"
    convert_by_flags(dataset_json=json_path, output_dir=out, group_by="(.)$")
    manifest = read_manifest(out)
    uids = [uid for split in manifest.splits.values() for uid in split.uids]
    assert manifest.groups == {uid: uid[-1] for uid in uids}
    assert convert_here(few_cases, tmp_path / "alone", _ALL).groups == {}


def test_finished_work_is_not_repeated(damaged_folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="case 'wrong': .* NaN"):
        convert_here(damaged_folder.folder, tmp_path / "out", _ALL)
    records = (tmp_path / ".out.partial" / "cases").glob("*.tfrecord")
    assert len(list(records)) == 4
    damaged_folder.fields["training"].pop()
    damaged_folder.write()
    monkeypatch.setattr("data_tools.conversion.converter.stage_case", None)
    manifest = convert_here(damaged_folder.folder, tmp_path / "out", _ALL)
    assert len(manifest.split("train").uids) == 4


def test_other_settings_use_no_earlier_work(damaged_folder, tmp_path):
    with pytest.raises(InputError, match="case 'wrong': "):
        convert_here(damaged_folder.folder, tmp_path / "out", _ALL)
    damaged_folder.fields["training"].pop()
    damaged_folder.write()
    for name in ("out", "at_once"):
        settings = {"volume_shape": (8, 8, 8)}
        convert_here(damaged_folder.folder, tmp_path / name, _ALL, settings)
    assert contents(tmp_path / "out") == contents(tmp_path / "at_once")


def _interrupt(*_):
    raise KeyboardInterrupt


def test_other_shards_are_made_of_finished_records(few_cases, tmp_path, monkeypatch):
    monkeypatch.setattr("data_tools.conversion.staging.publish", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert_here(few_cases, tmp_path / "out", _ALL, num_shards=2)
    monkeypatch.undo()
    for name in ("out", "at_once"):
        convert_here(few_cases, tmp_path / name, _ALL, num_shards=3)
    assert contents(tmp_path / "out") == contents(tmp_path / "at_once")


def test_a_split_of_bad_cases_is_refused(msd_folder, tmp_path):
    msd_folder.add_case("bad", image=np.full((8, 9, 10), np.nan, np.float32))
    with pytest.raises(InputError, match="split 'train' can be .*; case 'bad': .* NaN"):
        convert_here(msd_folder.folder, tmp_path / "out", _ALL, skip_bad_cases=True)


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_split_whose_only_case_is_left_out_is_refused(msd_folder, tmp_path, fault):
    rows = ["image,label,split"]
    for uid, split in (("a", "train"), ("b", "test")):
        msd_folder.add_case(uid, seed=len(rows))
        rows.append(f"imagesTr/{uid}.nii.gz,labelsTr/{uid}.nii.gz,{split}")
    table = msd_folder.folder / "cases.csv"
    table.write_text("\n".join(rows))
    label = msd_folder.folder / "labelsTr" / "b.nii.gz"
    label.unlink() if fault == "missing" else label.write_bytes(b"no volume")
    flags = {"dataset_csv": table, "labels": "0=none,2=low,7=high"}
    with pytest.raises(
        InputError, match="split 'test' can be .*; case 'b': .*b.nii.gz"
    ):
        convert_by_flags(**flags, output_dir=tmp_path / "out", skip_bad_cases=True)
    assert not (tmp_path / "out").exists()


def test_gzip_holds_the_same_examples(few_cases, tmp_path):
    plain = convert_here(few_cases, tmp_path / "plain", _ALL)
    gzip = convert_here(few_cases, tmp_path / "gz", _ALL, compression="GZIP")
    assert (plain.compression, gzip.compression) == ("", "GZIP")
    # TensorFlow Datasets reads no compressed TFRecord files.
    assert not (tmp_path / "gz" / "features.json").exists()
    theirs = list(
        tf.data.TFRecordDataset(plain.shard_paths(tmp_path / "plain", "train"))
    )
    paths = gzip.shard_paths(tmp_path / "gz", "train")
    ours = list(tf.data.TFRecordDataset(paths, compression_type="GZIP"))
    assert [e.numpy() for e in ours] == [e.numpy() for e in theirs]
    # The input pipeline finds any case without decompressing the others.
    for example, expected in zip(evaluation_dataset(paths), theirs, strict=True):
        tf.nest.map_structure(
            np.testing.assert_array_equal, example, parse_example(expected)
        )
    content = bytearray(pathlib.Path(paths[-1]).read_bytes())
    content[len(content) // 2] ^= 1
    pathlib.Path(paths[-1]).write_bytes(content)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(evaluation_dataset(paths))
    assert f"shard {paths[-1]} is damaged in record 0; " in damaged_record(caught.value)
    pathlib.Path(paths[-1]).write_bytes(content[:-9])
    with pytest.raises(ShardError, match="is truncated or damaged in record 0"):
        evaluation_dataset(paths)


@pytest.mark.parametrize(
    "largest, dtype", [(200, "uint8"), (3000, "int16"), (0.5, "float32")]
)
def test_images_get_the_smallest_type_that_is_exact_for_all(
    msd_folder, tmp_path, largest, dtype
):
    for index, value in enumerate((7, largest, 9)):
        image = np.zeros((8, 9, 10), np.float32)
        image[3, 4, 5] = value
        msd_folder.add_case(f"a_{index}", image=image, affine=np.eye(4))
    output = tmp_path / "out"
    manifest = convert_here(
        msd_folder.folder, output, _ALL, {"intensity": "none"}, num_shards=1
    )
    assert manifest.image_dtype == dtype
    (path,) = manifest.shard_paths(output, "train")
    examples = map(parse_example, tf.data.TFRecordDataset(path))
    for example, value in zip(examples, (7, largest, 9), strict=True):
        image = example["image"].numpy()
        assert image[3, 4, 5, 0] == value == image.sum()


def test_settings_follow_the_training_cases(toy_folder, tmp_path):
    settings = {"spacing_mm": "auto", "volume_shape": "auto", "intensity": "auto"}
    manifest = convert_here(toy_folder.folder, tmp_path / "out", None, settings)
    fingerprint, chosen = manifest.fingerprint, manifest.preprocessing
    assert fingerprint["split"] == "train"
    assert fingerprint["num_cases"] == len(manifest.split("train").uids)
    assert chosen["spacing_mm"] == fingerprint["spacing_mm"]["median"]
    assert chosen["intensity"] == "zscore"
    # The cases have fewer than 32 voxels along each axis.
    assert all(size % 2 == 0 for size in chosen["volume_shape"])
    assert manifest.split("train").statistics["cropped_cases"] == 0


@pytest.mark.slow
def test_real_processes_killed_at_ten_random_moments_end_the_same(
    tmp_path_factory, tmp_path
):
    source = tmp_path_factory.mktemp("phantoms") / "source"
    make = [sys.executable, "-m", "data_tools.make_phantom", f"--output_dir={source}"]
    subprocess.run([*make, "--num_cases=16"], check=True, capture_output=True)

    def command(output):
        return [
            *(sys.executable, "-m", "data_tools.convert_nifti", "--num_workers=2"),
            *(f"--dataset_json={source}", f"--output_dir={output}"),
            *("--spacing_mm=0.8,0.8,0.8", "--split=train=1", "--num_shards=3"),
        ]

    started = time.monotonic()
    subprocess.run(command(tmp_path / "at_once"), check=True, capture_output=True)
    seconds = time.monotonic() - started
    rng = random.Random(1)
    killed = 0
    for _ in range(10):
        process = subprocess.Popen(
            command(tmp_path / "out"),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(rng.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if (tmp_path / "out").exists():
            break
    assert killed
    if not (tmp_path / "out").exists():
        subprocess.run(command(tmp_path / "out"), check=True, capture_output=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "at_once")
