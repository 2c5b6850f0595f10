"""What the commands refuse, before any work and in one line."""

import pytest

from tests.commands import run_module


def _refusal(module, **flag_values):
    """Runs a command that must fail, and returns the last line it prints."""
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    process = run_module(module, *flags)
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr


@pytest.mark.parametrize(
    "module, flag_values, message",
    [
        ("experiments.train", {}, "--data_dir"),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y", "nope": 1},
            "nope",
        ),
        (
            "experiments.train",
            {"config": "nope", "data_dir": "x", "model_dir": "y"},
            "--config=nope",
        ),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y"},
            "no folder x",
        ),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y", "strategy": "magic"},
            "strategy",
        ),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y", "patch_shape": "8,8"},
            "--patch_shape must be 3 whole numbers, got (8, 8)",
        ),
        (
            "experiments.evaluate",
            {"data_dir": "x", "model_dir": "y", "output_dir": "z"},
            "=y holds no config.json",
        ),
        (
            "experiments.ablation",
            {"data_dir": "x", "output_dir": "y", "config": "demo"},
            "folder x",
        ),
        (
            "experiments.ablation",
            {"data_dir": "x", "output_dir": "y", "budget_minutes": 1, "epochs": 2},
            "--epochs: --budget_minutes chooses the length",
        ),
        (
            "experiments.ablation",
            {"data_dir": "x", "output_dir": "y", "arms_file": "none.json"},
            "none.json cannot be read as JSON",
        ),
        (
            "experiments.export",
            {"model_dir": "y", "export_dir": "z"},
            "=y holds no config.json",
        ),
        (
            "experiments.segment",
            {"model": "m", "input": "i.nii", "output": "o.nii"},
            "--model=m",
        ),
        (
            "experiments.segment",
            {"model": "m", "input": "i.nii", "output": "o.png"},
            "--output=o.png: expected a name in .nii, .nii.gz, .mgz, .mgh, .nrrd, .mha",
        ),
        (
            "experiments.segment",
            {"model": "m", "input": "i.nii", "output": "o.mha", "output_format": "nii"},
            "--output_format=nii is for folders, --output=o.mha says its format",
        ),
        ("experiments.benchmark", {"suite": "nope"}, "suite"),
        (
            "experiments.benchmark",
            {"data_dir": "x"},
            "--data_dir does not apply to --suite=train",
        ),
        (
            "experiments.benchmark",
            {"suite": "input_memory", "data_dir": "x"},
            "no folder x",
        ),
        ("experiments.benchmark", {"json": "."}, "--json=. is a folder"),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y", "seed": 2**31},
            "--seed",
        ),
        (
            "experiments.train",
            {"config": "demo", "data_dir": "x", "model_dir": "y", "zoom": "nan"},
            "--zoom must be a finite number of 32 bits, got nan",
        ),
        (
            "experiments.evaluate",
            {"data_dir": "x", "model_dir": "y", "output_dir": "z", "seed": 2**31},
            "--seed",
        ),
        (
            "experiments.segment",
            {"model": "m", "input": "i.nii", "output": "o.nii", "seed": 2**31},
            "--seed",
        ),
    ],
    ids=str,
)
def test_refuses_by_name(module, flag_values, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in _refusal(module, **flag_values)
    assert not list(tmp_path.iterdir())


def test_segment_refuses_an_unknown_file_type(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    message = _refusal(
        "experiments.segment", model=tmp_path, input="i.nii", output="o.png"
    )
    assert "--output=o.png" in message


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_segment_spares_the_scan(tmp_path, link):
    (tmp_path / "saved_model.pb").touch()
    scan, output = tmp_path / "scan.nii", tmp_path / "." / "scan.nii"
    scan.write_bytes(b"scan")
    if link:
        output = tmp_path / "other.nii"
        getattr(output, link)(scan)
    message = _refusal("experiments.segment", model=tmp_path, input=scan, output=output)
    assert f"--output: {output} is the scan {scan}, which would be lost" in message
    assert scan.read_bytes() == b"scan"


def test_segment_and_demo_and_benchmark_refuse_a_path_below_a_file(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    below = tmp_path / "saved_model.pb" / "out.nii"
    for module, flag_values in {
        "experiments.segment": {"model": tmp_path, "input": "i.nii", "output": below},
        "experiments.benchmark": {"json": below},
        "experiments.demo": {"output_dir": below},
    }.items():
        message = _refusal(module, **flag_values)
        assert f"={below} lies below {below.parent}, which is not a folder" in message


def test_demo_spares_other_folders(tmp_path):
    (tmp_path / "thesis.tex").touch()
    message = _refusal("experiments.demo", output_dir=tmp_path)
    assert "was not made by the demo" in message
    assert (tmp_path / "thesis.tex").exists()


def test_a_config_file_without_get_config(tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\n")
    message = _refusal(
        "experiments.train",
        config=tmp_path / "mine.py",
        data_dir="x",
        model_dir=tmp_path / "run",
    )
    assert "defines no get_config()" in message
