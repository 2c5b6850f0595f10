"""A plan is for the GPU that trains, as TensorFlow and nvidia-smi describe it."""

import os

import pytest
import tensorflow as tf

from tests.runs.planning.fingerprints import manifest_of
from tf_diffseg.runs.planning import machine, recommender
from tf_diffseg.runs.planning.gpus import visible_gpus
from tf_diffseg.runs.planning.recommender import Recommender, default_memory_gib

_SMALL, _LARGE = ("Tesla T4", (7, 5)), ("NVIDIA A100-SXM4-40GB", (8, 0))
_TOOL = "Tesla T4, 15360\nNVIDIA A100-SXM4-40GB, 40960\nNVIDIA T400, 2048\n"


@pytest.fixture
def see(monkeypatch, tmp_path):
    """Function: TensorFlow sees these GPUs, nvidia-smi prints this, or is missing."""

    def see(gpus, printed):
        details = {
            name: {"device_name": name, "compute_capability": c} for name, c in gpus
        }
        names = list(details)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: names)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        tool = tmp_path / "nvidia-smi"
        tool.write_text("#!/bin/sh\nexit 9\n")
        if printed is not None:
            tool.write_text(f"#!/bin/sh\ncat <<'END'\n{printed}END\n")
        tool.chmod(0o755)

    return see


@pytest.mark.parametrize(
    "gpus, printed, gib, is_fast",
    [
        ([_SMALL], _TOOL, 15.0, False),
        ([_LARGE], _TOOL, 40.0, True),
        ([_LARGE, _SMALL], _TOOL, 15.0, False),
        ([("of another name", (9, 0))], _TOOL, 2.0, True),
        ([_LARGE], "", None, True),
        ([_LARGE], "NVIDIA A100-SXM4-40GB, [N/A]\n", None, True),
        ([_LARGE], None, None, True),
    ],
)
def test_what_all_gpus_have_counts(see, gpus, printed, gib, is_fast):
    see(gpus, printed)
    assert visible_gpus() == (len(gpus), gib, is_fast)


def test_without_gpus_the_cpu_counts(see, monkeypatch):
    see([], _TOOL)
    assert visible_gpus() is None
    monkeypatch.setattr(recommender, "free_gib", lambda: 5.0)
    assert default_memory_gib() == pytest.approx(4.0)


@pytest.mark.parametrize(
    "gpu, precision", [(_SMALL, "float32"), (_LARGE, "mixed_bfloat16")]
)
def test_memory_and_precision_are_those_of_the_gpu(
    see, monkeypatch, tmp_path, gpu, precision
):
    (tmp_path / "cpuinfo").write_text("flags : amx_bf16\n")
    monkeypatch.setattr(machine, "_CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(recommender, "free_gib", lambda: 400.0)
    see([gpu], f"{gpu[0]}, 8192\n")
    assert default_memory_gib() == pytest.approx(6.4)
    found = Recommender(manifest_of((32, 32, 32), (1.0, 1.0, 1.0)))
    found.choose_network()
    assert found.config.precision == precision
