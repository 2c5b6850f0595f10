"""One command from volumes and label maps to an exported model."""

import dataclasses
import json
import time

import nibabel as nib
import numpy as np
import pytest

from experiments.chains import own_data
from tests.commands import run_module, started_module
from tests.runs.toy_run import MANIFEST
from tf_diffseg.data.manifest import Shard, Split
from tf_diffseg.errors import InputError

_CONFIG = """
from tf_diffseg.runs.train_config import TrainConfig


def get_config():
    return TrainConfig(
        patch_shape=(8, 8, 8), epochs=15, num_channels=(4,), num_heads=0
    )
"""


def _write_cases(folder, uids):
    """Writes images and label maps of a bright cube; returns the flags for them."""
    rng = np.random.default_rng(0)
    for uid in uids:
        label = np.zeros((8, 8, 8), np.uint8)
        label[2:6, 2:6, 2:6] = 1
        image = rng.normal(100 * label, 10).astype(np.float32)
        for name, array in (("images", image), ("labels", label)):
            (folder / name).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / name / f"{uid}.nii")
    return [f"--{name}={folder / name}" for name in ("images", "labels")]


def _call(*arguments):
    process = run_module("experiments.segment_my_data", *arguments)
    return process.returncode, process.stdout + process.stderr


def test_a_folder_keeps_the_options_that_it_was_verified_with(tmp_path):
    out = tmp_path / "out"
    flags = [*_write_cases(tmp_path, ["a", "b", "c"]), f"--output_dir={out}"]
    out.mkdir()
    (out / "options.json").write_text("[]")
    (out / "verification.json").write_text('{"num_errors": 0}')
    code, output = _call(*flags, "--name=x")
    assert code == 1 and len(output.splitlines()) == 1
    assert f"this call has --config=auto --group_by=auto {flags[0]} " in output
    (out / "options.json").unlink()
    code, output = _call(*flags)
    assert code == 1 and "was not made by this command; name another" in output


def test_wrong_data_end_the_first_stage(tmp_path):
    flags = _write_cases(tmp_path, ["a", "b", "c"])
    (tmp_path / "images" / "b.nii").write_bytes(b"no image")
    code, output = _call(*flags, f"--output_dir={tmp_path / 'out'}")
    assert code == 1
    assert "b.nii" in output and "convert_nifti" not in output
    assert "data_tools.verify_dataset ended with exit code 1" in output


def test_a_model_is_scored_on_cases_that_it_is_not_trained_on(tmp_path):
    def scored(*names):
        splits = {name: Split([name], [Shard(name, 1, "0")], {}) for name in names}
        dataclasses.replace(MANIFEST, splits=splits).write(tmp_path)
        return own_data.scored_split(tmp_path)

    assert scored("train", "validation", "test") == "test"
    assert scored("train", "validation") == "validation"
    for names in (["train"], ["validation", "test"]):
        with pytest.raises(InputError, match="expected a split train, and test or"):
            scored(*names)


@pytest.mark.slow
def test_a_killed_call_goes_on(tmp_path):
    uids = [f"p{patient}_t{scan}" for patient in range(3) for scan in range(2)]
    (tmp_path / "config.py").write_text(_CONFIG)
    out = tmp_path / "out"
    flags = [
        *_write_cases(tmp_path, uids),
        f"--output_dir={out}",
        f"--config={tmp_path / 'config.py'}",
    ]
    with started_module("experiments.segment_my_data", *flags) as started:
        checkpoints = out / "run" / "checkpoints"
        while not list(checkpoints.glob("epoch-*.keras")):
            assert started.wait(0.1) is None, started.output()
        started.kill()
        started.wait()
    before = sorted(checkpoints.iterdir())
    time.sleep(1)
    assert sorted(checkpoints.iterdir()) == before  # the training was killed as well
    code, output = _call(*flags)
    assert code == 0, output
    assert output.count("done before") == 2 and "going on after epoch" in output
    assert "so the 6 cases are split as 3 groups" in str(
        json.loads((out / "shards" / "manifest.json").read_text())["warnings"]
    )
    assert (out / "results" / "report.html").is_file()
    assert (out / "export" / "1" / "saved_model.pb").is_file()
    code, output = _call(*flags)
    assert code == 0 and output.count("done before") == 5
