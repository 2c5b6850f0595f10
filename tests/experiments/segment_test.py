"""The command that segments, where what it needs runs out."""

import gzip
import os
import pathlib
import resource
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from tests.commands import run_module
from tests.runs.toy_run import toy_run
from tf_diffseg.errors import InputError
from tf_diffseg.inference.memory_errors import named_memory_errors
from tf_diffseg.runs.segmentation.segmenter import VolumeSegmenter, load_segmenter

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("run") / "run", strategy="supervised")


def _scan(path, shape=(48, 48, 40)):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), path)
    return path


def _segment(*arguments, largest_file=None):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    if largest_file is None:
        return run_module("experiments.segment", *arguments)
    # What measures coverage writes files too, and Python those of its modules.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "experiments.segment", *arguments],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        preexec_fn=limit,
    )


def _last_line(process):
    """The error; Keras warns before it of an optimizer that took no step."""
    assert "Traceback" not in process.stderr
    return process.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(run, tmp_path):
    scan, output = _scan(tmp_path / "scan.nii.gz"), tmp_path / "out" / "label.nii.gz"
    flags = [f"--model={run}", f"--input={scan}", f"--output={output}", "--uncertainty"]
    flags.append("--window_shape=48,48,40")
    # The network that is unpacked and the label map have room, the entropy has not.
    process = _segment(*flags, largest_file=250_000)
    assert process.returncode == 1
    line = _last_line(process)
    entropy = output.with_name("label_entropy.nii.gz")
    assert line == f"error: cannot write {entropy}: File too large"
    assert not list(output.parent.iterdir())
    assert _segment(*flags).returncode == 0
    assert len(list(output.parent.iterdir())) == 4


def test_a_network_that_cannot_be_unpacked_is_named(run, tmp_path):
    scan = _scan(tmp_path / "scan.nii.gz")
    process = _segment(
        f"--model={run}",
        f"--input={scan}",
        f"--output={tmp_path / 'label.nii.gz'}",
        largest_file=1000,
    )
    assert process.returncode == 1
    line = _last_line(process)
    assert line.startswith("error: the checkpoint ")
    assert line.endswith("epoch-00001.keras cannot be loaded: File too large")


def test_a_scan_that_does_not_fit_in_memory_is_named(run, tmp_path, monkeypatch):
    def exhausted(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\n 9 GB")

    monkeypatch.setattr(VolumeSegmenter, "segment", exhausted)
    scan = _scan(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="scan.nii.gz does not fit .*: OOM when alloc"):
        load_segmenter(run)(nib.load(scan))


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("9 GiB")])
def test_running_out_of_memory_is_told_in_one_line(error):
    with pytest.raises(InputError, match="^case a does not fit in memory .*batch_size"):
        with named_memory_errors("case a"):
            raise error


def test_a_link_to_nothing_is_listed_and_the_rest_segmented(run, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    _scan(scans / "a.nii.gz", (8, 8, 6))
    (scans / "b.nii.gz").symlink_to("gone.nii.gz")
    process = _segment(f"--model={run}", f"--input={scans}", f"--output={tmp_path}/out")
    assert process.returncode == 1
    path = scans / "b.nii.gz"
    expected = f"error: b: {path} does not exist, it is a link to gone.nii.gz"
    assert _last_line(process) == expected
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.nii.gz"]


def _two_forms(path):
    """A scan whose qform (scanner) and sform (MNI) differ."""
    image = np.random.default_rng(1).normal(size=(8, 7, 6)).astype(np.float32)
    scan = nib.Nifti1Image(image, np.diag([1.1, 1.0, 1.2, 1.0]))
    scan.set_qform(np.array([[0, -1, 0, 7], [1, 0, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]]))
    scan.header["qform_code"], scan.header["sform_code"] = 1, 4
    scan.header["descrip"], scan.header["cal_max"] = b"somebody", 400
    nib.save(scan, path)
    return scan


def test_each_scan_of_a_folder_gets_its_own_format_and_place(run, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    folder, out = tmp_path / "scans", tmp_path / "out"
    folder.mkdir()
    scan = _two_forms(folder / "a.nii.gz")
    voxels = np.asarray(scan.dataobj)
    nib.save(nib.MGHImage(voxels, scan.affine), folder / "b.mgz")
    nrrd = sitk.GetImageFromArray(voxels.T)
    nrrd.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    nrrd.SetOrigin((1.5, 2.5, 3.5))
    sitk.WriteImage(nrrd, str(folder / "c.nrrd"))
    flags = [f"--model={run}", f"--input={folder}", f"--output={out}", "--uncertainty"]
    process = _segment(*flags, "--output_format=input", "--resample=never")
    assert process.returncode == 0, process.stderr
    assert "does not tell which voxel sizes it was trained on" in process.stdout
    endings = {"a": ".nii.gz", "b": ".mgz", "c": ".nrrd"}
    names = ["", "_entropy", "_variance"]
    assert {file.name for file in out.iterdir()} == {
        f"{scan}{name}{ending}" for scan, ending in endings.items() for name in names
    } | {f"{scan}_volumes.json" for scan in endings}
    for name in names:
        written = nib.load(out / f"a{name}.nii.gz")
        np.testing.assert_array_equal(written.get_sform(), scan.get_sform())
        np.testing.assert_array_equal(written.get_qform(), scan.get_qform())
        assert int(written.header["qform_code"]) == 1
        assert int(written.header["sform_code"]) == 4
        assert float(written.header["cal_max"]) == 0.0
        assert not written.header["descrip"].item()
        affine = nib.load(out / f"b{name}.mgz").affine
        np.testing.assert_allclose(affine, scan.affine, atol=1e-6)
        image = sitk.ReadImage(str(out / f"c{name}.nrrd"))
        assert image.GetDirection() == pytest.approx(nrrd.GetDirection())
        assert image.GetOrigin() == nrrd.GetOrigin()
        assert image.GetSize() == nrrd.GetSize()
    # The API gives the same header for the label map.
    label = load_segmenter(run)(nib.load(folder / "a.nii.gz"))
    nib.save(label, tmp_path / "api.nii")
    assert (tmp_path / "api.nii").read_bytes() == gzip.decompress(
        (out / "a.nii.gz").read_bytes()
    )
