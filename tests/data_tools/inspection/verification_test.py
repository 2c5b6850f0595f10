"""All problems of all cases at once, errors and warnings apart."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.worker_pool import WorkerPool, start_reader
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.datasets.splits import split_of
from data_tools.inspection.verification import verify
from tests.commands import run_module
from tests.data_tools.in_process import split

SHAPE = (8, 9, 10)


def _found(path, labels=None, num_workers=1):
    """`[(severity, uid, check, message)]`."""
    workers = WorkerPool(num_workers, start_reader) if num_workers > 1 else None
    problems = verify(read_dataset(path, labels), workers)
    return [(p.severity.value, p.uid, p.check, p.message) for p in problems]


def _image(seed=0):
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def _label(*values):
    label = np.zeros(SHAPE, np.uint8)
    label.flat[: len(values)] = values
    return label


def _move(folder, uid, sub, change):
    """Changes the affine of a case's image or label."""
    path = folder.folder / sub / f"{uid}.nii.gz"
    volume = nib.load(path)
    affine = volume.affine.copy()
    change(affine)
    nib.save(nib.Nifti1Image(np.asarray(volume.dataobj), affine), path)


def test_nothing_is_wrong(toy_folder):
    assert _found(toy_folder.folder) == []


def test_real_data(hippocampus_dir):
    assert _found(hippocampus_dir) == []


def _double(affine):
    affine[:3, 0] *= 2


def _turn(affine):
    affine[:, [0, 1]] = affine[:, [1, 0]]


def _shift(affine):
    affine[0, 3] += 5


@pytest.mark.parametrize(
    "change, aspect",
    [(_double, "spacing"), (_turn, "orientation"), (_shift, "origin")],
)
def test_grids_that_differ(msd_folder, change, aspect):
    msd_folder.add_case("a", affine=np.eye(4))
    _move(msd_folder, "a", "labelsTr", change)
    ((severity, uid, check, message),) = _found(msd_folder.folder)
    assert (severity, uid, check) == ("error", "a", aspect)
    assert "labelsTr/a.nii.gz and its image" in message


def test_small_difference_of_grids_is_a_warning(msd_folder):
    msd_folder.add_case("a", affine=np.eye(4))
    affine = np.eye(4)
    affine[2, 3] = 0.05
    _move(msd_folder, "a", "labelsTr", lambda own: np.copyto(own, affine))
    ((severity, _, check, _),) = _found(msd_folder.folder)
    assert (severity, check) == ("warning", "origin")


@pytest.mark.parametrize(
    "image, label, expected",
    [
        (
            _image(),
            _label(2, 7, 5, 9),
            ("error", "labels", "label value 5, 9, declare"),
        ),
        (
            _image(),
            _label(2, 7)[:-1],
            ("error", "shape", "has shape (7, 9, 10), its im"),
        ),
        (_image(), _label(2, 7) * 1.25, ("error", "labels", "label value 2.5, expect")),
        (
            _image(),
            _label(2, 7) * 1.0001,
            ("warning", "labels", "0.0007 off are round"),
        ),
        (_image() * np.nan, _label(2, 7), ("error", "voxels", "has 720 voxel(s) that")),
        (_image() * 0, _label(2, 7), ("warning", "voxels", "is 0 everywhere")),
        (
            _image()[..., None] * (1, 2),
            _label(2, 7),
            ("error", "channels", "2 channel"),
        ),
    ],
)
def test_voxels_that_are_wrong(msd_folder, image, label, expected):
    msd_folder.add_case("a", image=np.float32(image), label=label, affine=np.eye(4))
    found = [(severity, check) for severity, _, check, _ in _found(msd_folder.folder)]
    message = _found(msd_folder.folder)[0][-1]
    assert expected[:2] in found
    assert message.startswith("case 'a': ")
    assert expected[2] in message


def test_label_values_far_apart(msd_folder):
    label = _label(2, 7).astype(np.int32)
    label[-1, -1, -1] = 2**31 - 1
    label[-1, -1, -2] = -(2**31)
    msd_folder.add_case("a", label=label)
    ((severity, _, check, message),) = _found(msd_folder.folder)
    assert (severity, check) == ("error", "labels")
    assert "undeclared label value -2147483648, 2147483647, declared" in message


def test_empty_foreground_and_absent_class(msd_folder):
    msd_folder.add_case("a", label=_label())
    msd_folder.add_case("b", seed=1, label=_label(7))
    (absent, empty) = _found(msd_folder.folder)
    assert empty[:3] == ("warning", "a", "foreground")
    assert absent[:3] == ("warning", None, "labels")
    assert "declares 'organ', label value 2, of which no case has" in absent[3]


def test_duplicate_content(msd_folder):
    """Stored in another type and compressed otherwise: the voxels are the same."""
    image = np.arange(720, dtype=np.int16).reshape(SHAPE)
    msd_folder.add_case("a", image=image, label=_label(2, 7))
    msd_folder.add_case("b", image=image.astype(np.float64), label=_label(7, 2))
    msd_folder.add_case("c", image=image + 1, label=_label(2, 7))
    assert [found[:3] for found in _found(msd_folder.folder)] == [
        ("warning", "b", "duplicate"),
        ("warning", "c", "duplicate"),
    ]


def test_an_image_in_two_splits(msd_folder):
    image = np.arange(720, dtype=np.int16).reshape(SHAPE)
    msd_folder.add_case("a", image=image)
    msd_folder.add_case("b", image=image, seed=1)
    dataset = read_dataset(msd_folder.folder)
    fractions = {"train": 0.5, "test": 0.5}
    assert [split_of(uid, fractions) for uid in "ab"] == ["test", "train"]
    (problem,) = verify(split(dataset, fractions))
    assert (problem.severity.value, problem.uid) == ("error", "b")
    assert "is in the split train, that one in test" in problem.message
    (problem,) = verify(split(dataset, {"all": 1.0}))
    assert problem.severity.value == "warning"


def test_uid_in_two_splits(msd_folder):
    for index, uid in enumerate("ab"):
        msd_folder.add_case(uid, index)
    table = msd_folder.folder / "cases.csv"
    rows = [
        f"imagesTr/{uid}.nii.gz,labelsTr/{uid}.nii.gz,u,{split}"
        for uid, split in (("a", "train"), ("b", "test"))
    ]
    table.write_text("image,label,uid,split\n" + "\n".join(rows))
    labels = {int(value): name for value, name in msd_folder.labels.items()}
    (found,) = _found(table, labels)
    assert found[:3] == ("error", "u", "splits")
    assert "is in the splits test, train" in found[3]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_one_bad_case_hides_no_other(msd_folder, num_workers):
    for index, uid in enumerate("abcd"):
        msd_folder.add_case(uid, index)
    (msd_folder.folder / "imagesTr" / "b.nii.gz").unlink()
    (msd_folder.folder / "labelsTr" / "c.nii.gz").write_bytes(b"nothing")
    image = np.full(SHAPE, np.inf, np.float32)
    msd_folder.add_case("e", image=image, label=_label(1, 2, 7)[:-1])
    msd_folder.write(numTraining=9)
    found = _found(msd_folder.folder, num_workers=num_workers)
    assert [(severity, uid, check) for severity, uid, check, _ in found] == [
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
    assert (done.returncode, done.stderr) == (1, "")
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
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "1 case(s), 0 error(s), 1 warning(s)"


def test_command_on_no_data_set(tmp_path):
    report_json = tmp_path / "report.json"
    done = _verify(f"--dataset_json={tmp_path}", f"--report_json={report_json}")
    assert (done.returncode, done.stderr) == (1, "")
    assert "no dataset.json at" in done.stdout
    assert json.loads(report_json.read_text())["num_errors"] == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--dataset_csv=a.json"], "--dataset_csv=a.json: expected a name in .csv or"),
        (["--dataset_csv=a.csv"], "add --labels=0=background,1=organ"),
        (["--dataset_csv=a.csv", "--labels=organ"], "--labels=organ: expected value=n"),
    ],
)
def test_command_with_wrong_flags(flags, message):
    done = _verify(*flags)
    assert (done.returncode, done.stderr) == (1, "")
    assert message in done.stdout


@pytest.mark.parametrize("place", ["", "file/report.json"])
def test_a_place_for_no_report_is_told_before_anything_is_read(tmp_path, place):
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
