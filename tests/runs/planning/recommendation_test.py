"""A recommended config trains, is told, and can be written to a file."""

import pytest

from experiments.flags.config_file import load_config
from tests.commands import run_module
from tests.data_tools.cube_shards import cube_shards
from tests.runs.planning.fingerprints import manifest_of
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.fields import part_values
from tf_diffseg.runs.planning import (
    machine,
    memory_check,
    recommendation,
    recommender,
)
from tf_diffseg.runs.planning.coarse_features import relative_cost
from tf_diffseg.runs.planning.config_source import config_source
from tf_diffseg.runs.planning.memory_check import check_memory
from tf_diffseg.runs.planning.recommendation import recommend_config
from tf_diffseg.runs.planning.source_network import network_of_source
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig

GIVEN = {"num_channels": (4, 8), "num_heads": 0, "jit": "off", "mask_branch": (4,)}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Eight small cubes."""
    folder = tmp_path_factory.mktemp("data")
    return cube_shards(folder, folder / "shards", {"train": 1.0}, num_cases=8)


@pytest.mark.slow
def test_steps_are_measured_and_a_patch_is_cut_if_they_are_too_few(shards):
    recommendation = recommend_config(shards, time_budget_hours=1e-6, **GIVEN)
    reasons = {name: why for name, _, why in recommendation.choices}
    # At least some hundred steps, whatever the time.
    assert recommendation.config.epochs * 64 >= 100
    assert reasons["epochs"].startswith("1e-06 h at ")


@pytest.mark.parametrize("given", [{}, {"patch_size": (2, 2, 1)}])
@pytest.mark.parametrize("hours", [0.05, 0.3, 2.0, 20.0])
def test_the_time_is_enough_for_some_steps(monkeypatch, tmp_path, hours, given):
    voxels = {"shape": (149, 144, 62), "spacing_mm": (0.98, 0.98, 3.27)}
    manifest = manifest_of(**voxels, class_ml=400.0, num_cases=50)
    monkeypatch.setattr(recommendation, "read_run_data", lambda *_: manifest)

    def step_seconds(config, *_):
        return 6e-6 * relative_cost(config.patch_shape, config.patch_size)

    monkeypatch.setattr(recommendation, "_step_seconds", step_seconds)
    config = recommend_config(tmp_path, time_budget_hours=hours, **given).config
    steps = 25 * config.patches_per_volume * config.epochs
    seconds = steps * step_seconds(config)
    assert steps >= 450
    assert 0.6 * hours <= seconds / 3600 <= hours
    fewer_voxels = config.patch_shape != (160, 160, 64) or config.patch_size != (
        1,
        1,
        1,
    )
    assert fewer_voxels == bool(hours < 20.0 or given)


def test_a_config_that_is_written_is_read_as_it_was(shards, tmp_path):
    recommendation = recommend_config(shards, epochs=3, **GIVEN)
    assert recommendation.config.epochs == 3
    path = tmp_path / "mine.py"
    path.write_text(config_source(recommendation.config, recommendation))
    assert load_config(str(path)) == recommendation.config
    assert "# 8 training cases\n        batch_size=2,\n" in path.read_text()
    other = TrainConfig(kernel_size=((3, 3, 1),) * 4, ema=0.9)
    path.write_text(config_source(other))
    assert load_config(str(path)) == other


def test_the_table_tells_each_choice_and_why(shards):
    table = recommend_config(shards, epochs=3, **GIVEN).table()
    assert table.splitlines()[0].split() == ["value", "chosen", "why"]
    assert "8 training cases" in table and "num_channels" not in table


def test_a_step_that_does_not_fit_is_refused(shards, monkeypatch):
    manifest = read_manifest(shards)
    config = TrainConfig(patch_shape=(256, 256, 256))
    monkeypatch.setattr(memory_check, "free_gib", lambda: 8.0)
    with pytest.raises(InputError, match=r"takes about \d+\.\d GiB, and 8.0 GiB are f"):
        check_memory(config, manifest)
    check_memory(config, manifest, memory_gib=500.0)
    monkeypatch.setattr(memory_check, "free_gib", lambda: None)
    check_memory(config, manifest)


def test_a_given_patch_that_does_not_fit_is_refused_before_it_is_measured(
    shards, monkeypatch
):
    monkeypatch.setattr(memory_check, "free_gib", lambda: 8.0)
    with pytest.raises(InputError, match="patch_shape=256,256,256"):
        recommend_config(shards, patch_shape=(256, 256, 256))


def test_initial_weights_bring_their_network(shards):
    config = recommend_config(shards, epochs=1, init_from="hippocampus").config
    shipped = network_of_source("hippocampus")
    assert part_values(config, "network") == shipped
    assert shipped["num_channels"] != TrainConfig().num_channels
    given = {"init_from": "hippocampus", "num_channels": (4, 8), "mask_branch": (4,)}
    config = recommend_config(shards, epochs=1, num_heads=0, **given).config
    assert config.num_channels == (4, 8)


@pytest.mark.parametrize(
    "given, branch, output, deep",
    [
        ({"mask_branch": ()}, None, "features", 0),
        ({"num_channels": (4, 8)}, (16,), "logits", 1),
        ({"num_channels": (4,)}, None, "features", 0),
        ({"strategy": "supervised"}, None, "features", 2),
        ({"mask_output": "features"}, (16, 32), "features", 2),
        ({"deep_supervision": 0}, (16, 32), "logits", 0),
    ],
)
@pytest.mark.parametrize("init_from", ["", "hippocampus"])
def test_branch_and_supervision_follow_what_is_given(
    shards, init_from, given, branch, output, deep
):
    given = {"epochs": 1, "num_heads": 0, "init_from": init_from, **given}
    config = recommend_config(shards, **given).config
    if branch and not init_from:
        branch = config.num_channels[:-1][: len(branch)]
    assert (config.mask_branch, config.mask_output) == (branch, output)
    if not init_from:
        assert config.deep_supervision == min(deep, len(config.num_channels) - 1)


def test_a_network_of_noise_sees_image_and_mask_together(shards):
    given = {"strategy": "diffusion", "model_output": "noise", "epochs": 1}
    config = recommend_config(shards, **given).config
    assert config.mask_branch is None and config.deep_supervision == 0


def test_a_checkpoint_brings_the_network_of_its_run(shards, tmp_path):
    config = TrainConfig(num_channels=(4, 8), num_heads=0)
    RunFolder(tmp_path).begin(config, read_manifest(shards))
    best = tmp_path / "checkpoints" / "best.keras"
    assert network_of_source(best) == part_values(config, "network")


def test_free_memory_is_that_of_the_container(monkeypatch, tmp_path):
    known = machine.free_gib()
    assert known is None or known > 0
    (tmp_path / "memory.max").write_text(str(3 * 2**30))
    (tmp_path / "memory.current").write_text(str(2 * 2**30))
    (tmp_path / "memory.stat").write_text(f"anon 7\ninactive_file {2**29}\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_held_bytes", lambda: 0)
    assert machine.free_gib() == pytest.approx(1.5)


@pytest.mark.parametrize(
    "flags, precision",
    [
        ("fpu avx512f amx_bf16 amx_tile avx512_bf16", "mixed_bfloat16"),
        ("fpu avx512f avx512_bf16 avx512_vnni", "mixed_bfloat16"),
        ("fpu avx512f not_avx512_bf16", "float32"),
        ("fpu avx2", "float32"),
    ],
)
def test_bfloat16_is_for_processors_that_compute_in_it(
    shards, monkeypatch, tmp_path, flags, precision
):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(machine, "_CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(recommender, "visible_gpus", lambda: None)
    assert recommend_config(shards, epochs=1).config.precision == precision
    config = recommend_config(shards, epochs=1, precision="float32").config
    assert config.precision == "float32"
    monkeypatch.setattr(machine, "_CPU", tmp_path / "none")
    assert machine.bfloat16_instructions() == ""


@pytest.mark.parametrize(
    "flags, written",
    [
        (["--mask_branch="], ["num_channels=(32, 64, 80, 96)"]),
        (
            ["--num_channels=16,32"],
            ["num_channels=(16, 32)", "mask_branch=(16,)", "mask_output='logits'"],
        ),
    ],
)
def test_flags_change_the_network_of_initial_weights(shards, tmp_path, flags, written):
    common = ["--config=msd_hippocampus", "--init_from=hippocampus", "--print_config"]
    folders = [f"--data_dir={shards}", f"--model_dir={tmp_path / 'run'}"]
    process = run_module("experiments.train", *common, *flags, *folders)
    assert process.returncode == 0, process.stderr
    of_network = ("num_channels", "mask_branch", "mask_output")
    lines = [line.strip(" ,") for line in process.stdout.splitlines()]
    assert [line for line in lines if line.startswith(of_network)] == written


def test_print_config_writes_nothing_but_the_file(shards, tmp_path):
    folders = [f"--data_dir={shards}", f"--model_dir={tmp_path / 'run'}"]
    process = run_module("experiments.train", "--print_config", "--epochs=2", *folders)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith('"""Config for ')
    assert not (tmp_path / "run").exists()
