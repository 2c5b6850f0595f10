"""Verification finds all problems of all cases."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.worker_pool import WorkerPool, start_reader
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.inspection.verification import verify
from tests.commands import run_module, without_progress

SHAPE = (8, 9, 10)


def _found(path, workers=None):
    """`[(severity, uid, check, message)]`."""
    problems = verify(read_dataset(path), workers)
    return [(p.severity.value, p.uid, p.check, p.message) for p in problems]


def _image():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def _label(*values, dtype=np.uint8):
    label = np.zeros(SHAPE, dtype)
    label.flat[: len(values)] = values
    return label


def test_good_cases_have_no_problem(toy_folder):
    assert _found(toy_folder.folder) == []


def test_real_data(hippocampus_dir):
    assert _found(hippocampus_dir) == []


def _double(affine):
    affine[:3, 0] *= 2


def _turn(affine):
    affine[:, [0, 1]] = affine[:, [1, 0]]


def _shift(affine):
    affine[0, 3] += 5


def _shift_slightly(affine):
    affine[2, 3] = 0.05


@pytest.mark.parametrize(
    "change, severity, check",
    [
        (_double, "error", "spacing"),
        (_turn, "error", "orientation"),
        (_shift, "error", "origin"),
        (_shift_slightly, "warning", "origin"),
    ],
)
def test_different_grids(msd_folder, change, severity, check):
    msd_folder.add_case("a", affine=np.eye(4))
    path = msd_folder.folder / "labelsTr" / "a.nii.gz"
    volume = nib.load(path)
    affine = volume.affine.copy()
    change(affine)
    nib.save(nib.Nifti1Image(np.asarray(volume.dataobj), affine), path)
    ((*found, message),) = _found(msd_folder.folder)
    assert found == [severity, "a", check]
    assert "labelsTr/a.nii.gz and its image" in message


_FAR_APART = _label(2, 7, 2**31 - 1, -(2**31), dtype=np.int32)


@pytest.mark.parametrize(
    "image, label, severity, check, words",
    [
        (_image(), _label(2, 7, 5, 9), "error", "labels", "label value 5, 9, declared"),
        (_image(), _FAR_APART, "error", "labels", "-2147483648, 2147483647, declared"),
        (_image(), _label(2, 7)[:-1], "error", "shape", "has shape (7, 9, 10), its im"),
        (_image(), _label(2, 7) * 1.25, "error", "labels", "label value 2.5, expect"),
        (_image(), _label(2, 7) * 1.0001, "warning", "labels", "0.0007 off are round"),
        (_image() * np.nan, _label(2, 7), "error", "voxels", "has 720 voxel(s) that"),
        (_image() * 0, _label(2, 7), "warning", "voxels", "is 0 everywhere"),
        (_image()[..., None] * (1, 2), _label(2, 7), "error", "channels", "2 channel"),
    ],
)
def test_wrong_voxels(msd_folder, image, label, severity, check, words):
    msd_folder.add_case("a", image=np.float32(image), label=label, affine=np.eye(4))
    found = _found(msd_folder.folder)
    assert (severity, "a", check) in [problem[:3] for problem in found]
    message = found[0][-1]
    assert message.startswith("case 'a': ")
    assert words in message


def test_empty_foreground_and_absent_class(msd_folder):
    msd_folder.add_case("a", label=_label())
    msd_folder.add_case("b", seed=1, label=_label(7))
    (absent, empty) = _found(msd_folder.folder)
    assert empty[:3] == ("warning", "a", "foreground")
    assert absent[:3] == ("warning", None, "labels")
    assert "declares 'organ', label value 2, of which no case has" in absent[3]


def test_duplicate_content(msd_folder):
    """Type and compression of the files do not matter."""
    image = np.arange(720, dtype=np.int16).reshape(SHAPE)
    msd_folder.add_case("a", image=image, label=_label(2, 7))
    msd_folder.add_case("b", image=image.astype(np.float64), label=_label(7, 2))
    msd_folder.add_case("c", image=image + 1, label=_label(2, 7))
    assert [found[:3] for found in _found(msd_folder.folder)] == [
        ("warning", "b", "duplicate"),
        ("warning", "c", "duplicate"),
    ]


def test_bad_cases_hide_no_problem_of_others(msd_folder):
    for index, uid in enumerate("abcd"):
        msd_folder.add_case(uid, index)
    (msd_folder.folder / "imagesTr" / "b.nii.gz").unlink()
    (msd_folder.folder / "labelsTr" / "c.nii.gz").write_bytes(b"nothing")
    image = np.full(SHAPE, np.inf, np.float32)
    msd_folder.add_case("e", image=image, label=_label(1, 2, 7)[:-1])
    msd_folder.write(numTraining=9)
    workers = WorkerPool(2, start_reader)
    assert [found[:3] for found in _found(msd_folder.folder, workers)] == [
        ("warning", None, "dataset"),
        ("error", "b", "file"),
        ("error", "c", "file"),
        ("error", "e", "shape"),
        ("error", "e", "voxels"),
        ("error", "e", "labels"),
    ]


def _verify(*flags):
    return run_module("data_tools.verify_dataset", "--num_workers=1", *flags)


def test_command_prints_a_table_and_writes_a_report(msd_folder, tmp_path):
    msd_folder.add_case("good")
    msd_folder.add_case("bad 1", 1, label=_label(2, 5))
    report_json = tmp_path / "report.json"
    done = _verify(
        f"--dataset_json={msd_folder.folder}",
        f"--report_json={report_json}",
        "--split=all=1",
    )
    assert (done.returncode, without_progress(done.stderr)) == (1, "")
    first, header, row, last = done.stdout.splitlines()
    assert "follows the Medical Segmentation Decathlon" in first
    assert header.split() == ["severity", "case", "check", "problem"]
    assert row.startswith("error     bad 1  labels  case 'bad 1': ")
    assert last == "2 case(s), 1 error(s), 0 warning(s)"
    report = json.loads(report_json.read_text())
    assert (report["num_errors"], report["num_warnings"]) == (1, 0)
    (problem,) = report["problems"]
    assert problem["severity"] == Severity.ERROR.value
    assert problem["uid"] == "bad 1"


def test_command_succeeds_with_warnings(msd_folder):
    msd_folder.add_case("a", label=_label(2))
    done = _verify(f"--dataset_json={msd_folder.folder}", "--split=all=1")
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 case(s), 0 error(s), 1 warning(s)"


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--dataset_json={folder}"], "no dataset.json at"),
        (["--dataset_csv=a.json"], "--dataset_csv=a.json: expected a name in .csv or"),
        (["--dataset_csv=a.csv"], "add --labels=0=background,1=organ"),
        (["--dataset_csv=a.csv", "--labels=organ"], "--labels=organ: expected value=n"),
    ],
)
def test_command_reports_wrong_data_sets_and_flags(tmp_path, flags, message):
    report_json = tmp_path / "report.json"
    flags = [flag.format(folder=tmp_path) for flag in flags]
    done = _verify(*flags, f"--report_json={report_json}")
    assert (done.returncode, without_progress(done.stderr)) == (1, "")
    assert message in done.stdout
    assert json.loads(report_json.read_text())["num_errors"] == 1


@pytest.mark.parametrize("place", ["", "file/report.json"])
def test_command_refuses_a_bad_report_path_at_once(tmp_path, place):
    (tmp_path / "file").touch()
    done = _verify(f"--dataset_json={tmp_path}", f"--report_json={tmp_path / place}")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: --report_json={tmp_path / place} ")


def test_command_loads_no_tensorflow():
    code = (
        "import sys, data_tools.verify_dataset, data_tools.inspection.verification; "
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert done.stdout == "False\n"
