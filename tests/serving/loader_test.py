"""An export runs in TF Serving's loader: C++, without Python."""

import importlib.util
import pathlib
import re
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from tests.serving.bad_requests import bad_requests, wrong_ranks
from tests.serving.exported_toy import SEEDS, good_requests, nifti_files
from tf_diffseg.serving import warmup

_SOURCE = pathlib.Path(__file__).with_name("loader.cc")
_COMPILER = shutil.which("g++")
_INVALID_ARGUMENT = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_COMPILER is None, reason="no compiler: g++ is not on PATH"),
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow_serving") is None,
        reason="no tensorflow-serving-api",
    ),
]


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The compiled program."""
    program = tmp_path_factory.mktemp("loader") / "loader"
    library = tf.sysconfig.get_lib()
    subprocess.run(
        [
            _COMPILER,
            "-std=c++17",
            "-w",
            *tf.sysconfig.get_compile_flags(),
            str(_SOURCE),
            "-o",
            str(program),
            f"-Wl,-rpath,{library}",
            "-Wl,--no-as-needed",
            f"{library}/libtensorflow_cc.so.2",
            f"{library}/libtensorflow_framework.so.2",
            "-pthread",
        ],
        check=True,
    )
    return program


def _good_requests():
    one_file = {"contents": nifti_files(compressed=False)[:1], "seed": SEEDS[:1]}
    return [*good_requests().items(), ("segment_nifti", one_file)]


def _replay(loader, model, log, num_warmup=0, num_threads=1, output_dir="-"):
    """Gives ({request: (code, message)}, KiB (after the warm-up, at the end))."""
    arguments = [model, log, num_warmup, num_threads, output_dir]
    process = subprocess.run(
        [str(loader), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    *lines, memory = process.stdout.splitlines()
    found = {}
    for line in lines:
        number, code, message = line.split(" ", 2)
        found[int(number)] = (int(code), message)
    return found, tuple(map(int, memory.split()[1:]))


def _read_output(path):
    proto = tf.make_tensor_proto(0)
    proto.ParseFromString(path.read_bytes())
    return tf.make_ndarray(proto)


def test_the_loader_gives_what_python_gives(loader, exported, tmp_path):
    requests = _good_requests()
    warmup.write_warmup_requests(exported.path, requests, "toy")
    log = exported.path / warmup.WARMUP_FILE
    found, _ = _replay(loader, exported.path, log, output_dir=tmp_path)
    assert found == {number: (0, "ok") for number in range(len(requests))}
    for number, (signature, inputs) in enumerate(requests):
        for key, expected in exported.run(signature, **inputs).items():
            values = _read_output(tmp_path / f"{number}_{key}")
            assert values.dtype == expected.dtype
            if values.dtype == np.float32 and key != "affine":
                np.testing.assert_allclose(values, expected, atol=1e-5)
            else:
                np.testing.assert_array_equal(values, expected)


def test_the_loader_segments_a_hippocampus_file_as_python_does(
    loader, exported, hippocampus_dir, tmp_path
):
    path = sorted((hippocampus_dir / "imagesTr").glob("hippocampus_*.nii.gz"))[0]
    scan = nib.load(path)
    affine = scan.affine.astype(np.float32)
    voxels = np.asarray(scan.dataobj, np.float32)[..., np.newaxis]
    image, _ = exported.segmenter.preprocessor(voxels, affine)
    seed = SEEDS[:1]
    requests = [
        ("serving_default", {"image": image.numpy()[np.newaxis], "seed": seed}),
        (
            "segment_volume",
            {"image": voxels[None], "affine": affine[None], "seed": seed},
        ),
        ("segment_nifti", {"contents": [path.read_bytes()], "seed": seed}),
    ]
    log = tmp_path / "requests"
    warmup.write_request_log(log, requests, "toy")
    found, _ = _replay(loader, exported.path, log, output_dir=tmp_path)
    assert found == {number: (0, "ok") for number in range(3)}
    expected = exported.segmenter(voxels, affine, seed[0]).numpy()
    assert len(np.unique(expected)) > 1
    for number in (1, 2):
        label = _read_output(tmp_path / f"{number}_label")
        np.testing.assert_array_equal(label[0], expected)
    default = exported.run(*requests[0][:1], **requests[0][1])["label"]
    np.testing.assert_array_equal(_read_output(tmp_path / "0_label"), default)


def test_the_loader_refuses_wrong_ranks(loader, exported, tmp_path):
    requests = wrong_ranks()
    log = tmp_path / "requests"
    warmup.write_request_log(log, [request[:2] for request in requests], "toy")
    found, _ = _replay(loader, exported.path, log)
    for number, (_, _, message) in enumerate(requests):
        assert found[number][0] == _INVALID_ARGUMENT, found[number]
        assert re.search(message, found[number][1])


def test_200_mixed_requests_at_a_time_leave_the_memory_as_it_was(
    loader, exported, tmp_path
):
    bad = [*bad_requests().values(), *wrong_ranks()]
    kinds = [(request, None) for request in _good_requests()]
    kinds += [((name, inputs), message) for name, inputs, message in bad]
    # Each thread warms up with each kind of request, several times.
    num_warmup, num_requests = 160, 200
    order = np.random.default_rng(0).integers(0, len(kinds), num_warmup + num_requests)
    mixed = [kinds[index] for index in order]
    log = tmp_path / "requests"
    warmup.write_request_log(log, [request for request, _ in mixed], "toy")
    found, (before, after) = _replay(loader, exported.path, log, num_warmup, 16)
    assert len(found) == len(mixed)
    for number, (_, message) in enumerate(mixed):
        code, text = found[number]
        assert code == (0 if message is None else _INVALID_ARGUMENT), text
        assert message is None or re.search(message, text)
    assert {code for code, _ in found.values()} == {0, _INVALID_ARGUMENT}
    # We measured 0.4 MiB: a leak of 20 KiB in each request would be seen.
    assert after - before < 4 * 1024
