"""The converter as users run it."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from data_tools.conversion.staging import staging_for
from tests.commands import run_module, without_progress
from tests.data_tools.in_process import contents, convert_by_flags
from tf_diffseg.data.example_schema import KEYS, parse_example
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing import VolumePreprocessor

_MODULE = "data_tools.convert_nifti"
_HALVES = "train=0.5,test=0.5"


def _as_arguments(flags):
    return [f"--{name}={value}" for name, value in flags.items()]


def _convert(folder, output_dir, **flags):
    """Runs the command, with one worker by default."""
    flags = {"split": _HALVES, "num_workers": 1, **flags}
    flags |= {"dataset_json": folder.dataset_json, "output_dir": output_dir}
    return run_module(_MODULE, *_as_arguments(flags))


@pytest.fixture(scope="module")
def converted(toy_folder, tmp_path_factory):
    """The toy data, converted by two workers: `(folder, finished process)`."""
    output = tmp_path_factory.mktemp("converted") / "toy"
    flags = {"volume_shape": "6,12,12", "num_shards": 3}
    done = _convert(toy_folder, output, num_workers=2, **flags)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    return output, done


def test_manifest_describes_the_shards(converted):
    output, _ = converted
    manifest = read_manifest(output)
    assert manifest.dataset == "toy_data"
    assert manifest.class_names == ["background", "organ", "vessel"]
    assert manifest.label_values == [0, 2, 7]
    preprocessor = VolumePreprocessor(**manifest.preprocessing)
    assert preprocessor.volume_shape == (6, 12, 12)
    uids = [uid for split in manifest.splits.values() for uid in split.uids]
    assert sorted(uids) == [f"toy_{index:02d}" for index in range(9)]
    for name, split in manifest.splits.items():
        assert sum(shard.num_examples for shard in split.shards) == len(split.uids)
        assert len(split.shards) == min(3, len(split.uids))
        stored = []
        paths = manifest.shard_paths(output, name)
        for shard, path in zip(split.shards, paths, strict=True):
            content = (output / shard.file_name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == shard.sha256
            examples = list(tf.data.TFRecordDataset(path))
            assert len(examples) == shard.num_examples
            stored += [parse_example(e)["uid"].numpy().decode() for e in examples]
        assert stored == split.uids
        assert split.statistics["source_shape"]["max"] == [8, 9, 10]


def test_tensorflow_datasets_opens_the_folder(converted):
    tfds = pytest.importorskip("tensorflow_datasets")
    output, _ = converted
    manifest = read_manifest(output)
    for name in manifest.splits:
        theirs = tfds.builder_from_directory(output).as_dataset(split=name)
        ours = tf.data.TFRecordDataset(manifest.shard_paths(output, name))
        ours = {e["uid"].numpy(): e for e in map(parse_example, ours)}
        assert len(ours) == len(theirs)
        for example in theirs:
            assert set(example) == set(KEYS) - {"source_shape"}  # that of source_label
            for key, value in example.items():
                expected = ours[example["uid"].numpy()][key]
                np.testing.assert_array_equal(value, expected)


def test_command_prints_a_summary(converted):
    output, done = converted
    lines = done.stdout.splitlines()
    assert "follows the Medical Segmentation Decathlon: 9 cases" in lines[0]
    header = "cases of split train min median max"
    assert lines[1].split()[1:] == header.split()
    table = lines.index("split  cases  shards")
    assert lines[table - 1] == (
        "preprocessing: volume_shape=[6, 12, 12], intensity=zscore"
    )
    assert lines[table + 1].split()[0] == "train"
    assert lines[-1] == f"data set toy_data in {output}"


def test_command_warns_if_the_crop_cuts_foreground(converted):
    output, done = converted
    for name, split in read_manifest(output).splits.items():
        # Every file is wider than 6 voxels and full of foreground.
        assert split.statistics["cropped_cases"] == len(split.uids)
        assert split.statistics["cropped_voxels"] > 0
        assert (
            f"--volume_shape=6,12,12 cropped "
            f"{split.statistics['cropped_voxels']} labelled voxels away in "
            f"{len(split.uids)} of {len(split.uids)} {name} cases"
        ) in done.stdout


def test_bytes_do_not_depend_on_the_number_of_workers(toy_folder, converted, tmp_path):
    flags = {"volume_shape": "6,12,12", "num_shards": 3}
    _convert(toy_folder, tmp_path / "toy", **flags).check_returncode()
    assert contents(tmp_path / "toy") == contents(converted[0])


def test_a_refusal_says_where_the_finished_cases_are(damaged_folder, tmp_path, capsys):
    flags = {"dataset_json": damaged_folder.folder, "split": _HALVES}
    with pytest.raises(
        InputError, match="wrong.nii.gz has 720 voxel.* NaN or inf"
    ) as e:
        convert_by_flags(output_dir=tmp_path / "out", **flags)
    assert str(e.value).startswith("case 'wrong': ")
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().out.endswith(
        f"kept in {tmp_path}/.out.partial; the same command goes on from it\n"
    )
    assert list(tmp_path.glob(".out.partial/cases/*"))
    damaged_folder.fields["training"].pop()
    damaged_folder.add_case("wrong", 9)  # mended
    for name in ("out", "at_once"):
        convert_by_flags(output_dir=tmp_path / name, **flags)
    assert contents(tmp_path / "out") == contents(tmp_path / "at_once")
    assert not list(tmp_path.glob(".*"))


def test_skip_bad_cases_leaves_them_out(damaged_folder, tmp_path, capsys):
    missing = {"image": "./imagesTr/gone.nii.gz", "label": "./labelsTr/gone.nii.gz"}
    damaged_folder.write(training=[*damaged_folder.fields["training"], missing])
    output = tmp_path / "out"
    convert_by_flags(
        dataset_json=damaged_folder.folder,
        output_dir=output,
        split="train=1",
        spacing_mm="median",
        skip_bad_cases=True,
    )
    manifest = read_manifest(output)
    uids = [uid for split in manifest.splits.values() for uid in split.uids]
    assert sorted(uids) == [f"good_{index}" for index in range(4)]
    assert list(manifest.skipped) == ["gone", "wrong"]
    assert "720 voxel(s) that are NaN" in manifest.skipped["wrong"]
    assert "gone.nii.gz does not exist" in manifest.skipped["gone"]
    lines = capsys.readouterr().out.splitlines()
    left_out = [line for line in lines if line.startswith("left out: ")]
    assert left_out == [f"left out: {reason}" for reason in manifest.skipped.values()]


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"split": "train=0.6"}, "--split=train=0.6: the fractions must add up to 1"),
        ({"spacing_mm": "1,1"}, "--spacing_mm=1,1: expected 3 numbers"),
        ({"spacing_mm": "mean"}, "3 numbers separated by commas, or auto or median"),
        ({"intensity": "minmax"}, "--intensity=minmax: expected zscore, percentile"),
        ({"intensity": "zscore,none"}, "once or once for each of 1 channel(s)"),
        ({"volume_shape": "8,8,x"}, "--volume_shape=8,8,x: expected 3 whole numbers"),
        (
            {"split": "train=1", "split_file": "s.json"},
            "--split=train=1: --split_file=s.json says how cases are split",
        ),
        ({"fold": "0"}, "--fold=0 chooses a fold of --split_file, which is not given"),
        ({"group_by": "toy"}, "--group_by=toy has 0 groups in parentheses"),
        ({"dataset_json": "nowhere.json"}, "no dataset.json at nowhere.json"),
        ({"labels": "0=a,1=b"}, "declares its labels itself, leave out --labels"),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(
    toy_folder, tmp_path, flags, message
):
    flags = {"dataset_json": toy_folder.dataset_json, **flags}
    with pytest.raises(InputError) as raised:
        convert_by_flags(output_dir=tmp_path / "out", **flags)
    assert message in raised.value.of_command()
    assert not any(tmp_path.iterdir())


def test_wrong_flags_are_found_before_tensorflow_loads(toy_folder, tmp_path):
    code = "import sys; sys.modules['tensorflow'] = None\n"
    code += f"from {_MODULE} import command_line, main; command_line.run(main)"
    flags = {"dataset_json": toy_folder.folder, "output_dir": tmp_path / "out"}
    done = subprocess.run(
        [sys.executable, "-c", code, *_as_arguments(flags), "--volume_shape=0,4,4"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == "error: --volume_shape=0,4,4: expected positive numbers\n"


def test_output_dir_with_a_data_set_is_refused(toy_folder, converted):
    output, _ = converted
    before = contents(output)
    with pytest.raises(InputError) as raised:
        convert_by_flags(dataset_json=toy_folder.folder, output_dir=output)
    assert raised.value.of_command() == (
        f"--output_dir={output} holds a converted data set; --overwrite replaces it"
    )
    assert contents(output) == before


def test_second_conversion_to_a_folder_is_refused(toy_folder, tmp_path, capsys):
    with staging_for(tmp_path / "out"):
        with pytest.raises(InputError, match="is being written by another process$"):
            convert_by_flags(
                dataset_json=toy_folder.folder, output_dir=tmp_path / "out"
            )
    assert "is kept" not in capsys.readouterr().out


def _processes_of_group(group):
    """Ids of the running processes of a group, from Linux's /proc."""
    members = set()
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended in between
            continue
        if int(its_group) == group and state != "Z":
            members.add(int(stat.parent.name))
    return members


def _wait_until(is_reached, seconds=300):
    """Waits, by default much longer than any machine takes."""
    end = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_signal_ends_the_workers_too(msd_folder, tmp_path, number):
    image = np.zeros((160, 160, 160), np.float32)
    for index in range(4):
        msd_folder.add_case(f"a_{index}", image=image, label=image, affine=np.eye(4))
    flags = {"dataset_json": msd_folder.folder, "output_dir": tmp_path / "out"}
    flags |= {"split": "all=1", "num_workers": 2, "spacing_mm": "0.4,0.4,0.4"}
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, *_as_arguments(flags)],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    with process:
        try:
            # The command, its resource tracker and two workers.
            _wait_until(lambda: len(_processes_of_group(process.pid)) >= 4)
            assert (tmp_path / ".out.partial").is_dir()
            time.sleep(1)  # so that the workers are busy
            process.send_signal(number)
            _, stderr = process.communicate(timeout=300)
            _wait_until(lambda: not _processes_of_group(process.pid))
        finally:
            for member in _processes_of_group(process.pid):
                os.kill(member, signal.SIGKILL)
    if number == signal.SIGTERM:
        assert (process.returncode, without_progress(stderr)) == (143, "terminated\n")
        assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_real_data(hippocampus_dir, tmp_path):
    fields = json.loads((hippocampus_dir / "dataset.json").read_text())
    fields["training"] = fields["training"][:2]
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).symlink_to(hippocampus_dir / folder)
    (tmp_path / "dataset.json").write_text(json.dumps(fields))
    convert_by_flags(
        dataset_json=tmp_path,
        output_dir=tmp_path / "out",
        split="train=1",
        intensity="percentile",
        volume_shape="48,64,48",
    )
    manifest = read_manifest(tmp_path / "out")
    assert manifest.class_names == ["background", "Anterior", "Posterior"]
    paths = manifest.shard_paths(tmp_path / "out", "train")
    for serialized in tf.data.TFRecordDataset(paths):
        example = parse_example(serialized)
        assert example["image"].shape == (48, 64, 48, 1)
        foreground = np.count_nonzero(example["source_label"])
        assert np.count_nonzero(example["label"]) == foreground > 0


def test_table_with_splits(toy_folder, tmp_path, capsys):
    table = tmp_path / "cases.csv"
    folder = toy_folder.folder
    rows = [
        f"{folder}/imagesTr/toy_0{i}.nii.gz,{folder}/labelsTr/toy_0{i}.nii.gz,{split}"
        for i, split in enumerate(("test", "train", "test"))
    ]
    table.write_text("image,label,split\n" + "\n".join(rows))
    flags = {"dataset_csv": table, "labels": "0=background,2=organ,7=vessel"}
    output = tmp_path / "out"
    convert_by_flags(output_dir=output, **flags)
    lines = capsys.readouterr().out.splitlines()
    assert "follows a table of cases: 3 cases" in lines[0]
    splits = read_manifest(output).splits
    assert {name: split.uids for name, split in splits.items()} == {
        "test": ["toy_00", "toy_02"],
        "train": ["toy_01"],
    }
    with pytest.raises(InputError, match="has its own splits, leave out --split"):
        convert_by_flags(output_dir=tmp_path / "new", split=_HALVES, **flags)


def test_help_loads_no_tensorflow():
    code = f"import sys, {_MODULE}; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "False\n"
