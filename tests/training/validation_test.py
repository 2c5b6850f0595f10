"""1 to 4 devices validate the windows of cases of several shapes as one device."""

import json

import numpy as np
import pytest

from tests.commands import run_module
from tests.data.made_shards import write_shard
from tests.training.toys import TWO_LEVELS
from tf_diffseg.data.example_schema import encode_example

_SHAPES = [(8, 8, 8), (3, 4, 4), (4, 4, 4), (13, 4, 5), (6, 10, 4)]
_IGNORED = 3
_TWO_BRANCHES = TWO_LEVELS | {"mask_branch": (4,), "mask_output": "logits"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards; in every second case some voxels are of no known class."""
    folder = tmp_path_factory.mktemp("shards")
    cases = [_case(index, shape) for index, shape in enumerate(_SHAPES)]
    parts = {"a.tfrecord": cases[:2], "b.tfrecord": cases[2:]}
    return [write_shard(folder / name, part) for name, part in parts.items()]


def _case(index, shape):
    rng = np.random.default_rng(index)
    label = rng.integers(0, 3, shape)
    if index % 2:
        label[0] = _IGNORED
    return encode_example(
        uid=f"case_{index}",
        image=rng.normal(size=(*shape, 1)).astype(np.float32),
        label=label,
        spacing_mm=(1.0, 1.0, 1.0),
        source_affine=np.eye(4),
        source_label=label,
    )


def _check(folder, shards, device_counts, window_shape, arguments):
    given = map(json.dumps, (shards, device_counts, window_shape, arguments))
    module = "tests.training.validated_on_devices"
    process = run_module(module, folder, *given)
    assert process.returncode == 0, process.stderr[-4000:]
    assert process.stdout.splitlines()[-1] == "as one device"


def test_two_devices_validate_as_one(shards, tmp_path):
    _check(tmp_path, shards, [2], (4, 4, 4), {"ignore_label": _IGNORED})


@pytest.mark.slow
@pytest.mark.parametrize("window_shape", [(4, 4, 4), (16, 8, 4), (8, 8, 1)])
@pytest.mark.parametrize(
    "arguments",
    [
        {"ignore_label": _IGNORED, "strategy": "supervised"},
        {"ignore_label": _IGNORED, "regions": [[1, 2], [2], [1]]},
        {"ignore_label": _IGNORED} | _TWO_BRANCHES,
    ],
    ids=str,
)
def test_up_to_four_devices_validate_as_one(shards, tmp_path, window_shape, arguments):
    _check(tmp_path, shards, [2, 3, 4], window_shape, arguments)
