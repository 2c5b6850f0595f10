"""Methods are trained for equal minutes, one process each, and scored in one place."""

import json
import os
import pathlib
import sys
import types

import nibabel as nib
import numpy as np
import pytest

from data_tools.phantoms.phantom_dataset import write_phantoms
from experiments.benchmarks.methods import child, jobs, scores
from tests.commands import run_module
from tf_diffseg.errors import InputError

# In place of a Python with nnU-Net and MONAI. It has the packages of which a file lies
# beside it, and fails if a file `fail_METHOD` does. It writes the ground truth as label
# maps, or background alone for MONAI.
_STUB = f"""#!{sys.executable}
import json, pathlib, sys
import nibabel as nib
beside = [path.name for path in pathlib.Path(__file__).parent.iterdir()]
if "find_spec" in sys.argv[2]:
    print(*set(sys.argv[3:]) - set(beside))
    sys.exit()
folder = pathlib.Path(sys.argv[-1])
job = json.loads((folder / "job.json").read_text())
if "fail_" + job["method"] in beside:
    sys.exit("it went wrong")
(folder / "labels").mkdir()
for case in job["test"]:
    label = nib.load(case["label"])
    array = label.get_fdata() * (job["method"] == "nnunet")
    path = folder / "labels" / (case["uid"] + ".nii.gz")
    nib.save(nib.Nifti1Image(array.astype("uint8"), label.affine), path)
for stage in ("prepare", "train", "predict"):
    found = {{"seconds": 70.0, "steps": 12, "training_seconds": 61.0}}
    (folder / f"{{stage}}.json").write_text(json.dumps(found))
(folder / "versions.json").write_text(json.dumps({{"torch": "9.9"}}))
"""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Flags of a data set of six small cases, of which two are for validation."""
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    write_phantoms(folder, 6, 0)
    for path in folder.glob("*Tr/*.nii.gz"):
        volume = nib.load(path)
        array = np.asarray(volume.dataobj)[::2, ::2, ::2]
        nib.save(nib.Nifti1Image(array, volume.affine), path)
    images = sorted((folder / "imagesTr").glob("*.nii.gz"))
    uids = [path.name.removesuffix(".nii.gz") for path in images]
    split = folder.parent / "split.json"
    split.write_text(json.dumps([{"train": uids[:4], "val": uids[4:]}]))
    return {"dataset_json": folder / "dataset.json", "split_file": split}


@pytest.fixture
def stub(tmp_path):
    path = tmp_path / "bin" / "python"
    path.parent.mkdir()
    path.write_text(_STUB)
    path.chmod(0o755)
    for package in ("nnunetv2", "torch", "monai"):
        path.with_name(package).touch()
    return path


def _run(**flag_values):
    names = [f"--{name}={value}" for name, value in flag_values.items()]
    return run_module("experiments.benchmarks.side_by_side", *names)


def _flags(phantoms, tmp_path, stub):
    others = {"fold": 0, "minutes": 1, "config": "demo", "methods": "nnunet,monai"}
    places = {"output_dir": tmp_path / "out", "other_python": stub}
    return {**phantoms, **others, **places}


def test_what_is_done_is_kept_and_what_failed_is_named(phantoms, tmp_path, stub):
    flags = _flags(phantoms, tmp_path, stub)
    failure = stub.with_name("fail_monai")
    failure.touch()
    process = _run(**flags)
    assert process.returncode == 1
    assert process.stderr.endswith("error: monai failed, see above\n")
    assert "nnunet" in (tmp_path / "out" / "comparison.md").read_text()

    failure.unlink()
    stub.with_name("fail_nnunet").touch()  # It is not run again.
    process = _run(**flags)
    assert process.returncode == 0, process.stderr
    assert "nnunet: done" in process.stdout
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (found["minutes"], found["num_train"], found["num_test"]) == (1.0, 4, 2)
    exact, nothing = found["methods"]["nnunet"], found["methods"]["monai"]
    assert exact["worst"] == 1.0 and nothing["worst"] == 0.0
    assert exact["ci95"] == [1.0, 1.0] and exact["versions"] == {"torch": "9.9"}
    assert (exact["training_seconds"], exact["preparing_seconds"]) == (61.0, 79.0)
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 5000

    process = _run(**flags | {"minutes": 2})
    assert process.returncode == 1
    assert "was begun with other values of minutes" in process.stderr


@pytest.mark.parametrize(
    ("flag_values", "message"),
    [
        ({"minutes": 0}, "--minutes=0.0: expected more than 0"),
        ({"fold": 3}, "--fold=3: "),
        ({"methods": "nnunet,unet"}, "--methods=nnunet,unet: expected some of"),
        ({"other_python": "nowhere/python"}, "--other_python=nowhere/python is no Py"),
    ],
)
def test_wrong_flags_are_refused_before_any_work(
    phantoms, tmp_path, stub, flag_values, message
):
    process = _run(**_flags(phantoms, tmp_path, stub) | flag_values)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_split_test_is_refused_before_any_work(phantoms, tmp_path, stub):
    """Our converter would refuse the split of all methods, which leaves it out."""
    flags = _flags(phantoms, tmp_path, stub)
    del flags["split_file"], flags["fold"]
    process = _run(**flags, split="train=0.5,validation=0.25,test=0.25")
    assert process.returncode == 1
    assert "has cases in the split test; expected a dataset.json" in process.stderr
    assert not (tmp_path / "out").exists()


def test_packages_that_another_python_lacks_are_named(stub):
    jobs.check_python(str(stub), jobs.PACKAGES)
    jobs.check_python(None, [jobs.OURS])
    stub.with_name("monai").unlink()
    with pytest.raises(InputError, match="does not have monai; `pip install"):
        jobs.check_python(str(stub), jobs.PACKAGES)
    with pytest.raises(InputError, match="other_python is missing"):
        jobs.check_python(None, jobs.PACKAGES)


def _label(path, array, affine=None):
    path.parent.mkdir(exist_ok=True)
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(np.array(array, np.uint8).reshape(2, 2, 2), affine), path)


def test_dice_is_that_of_each_class_on_the_grid_of_the_file(tmp_path):
    _label(tmp_path / "truth.nii.gz", [0, 1, 1, 1, 2, 0, 0, 0])
    _label(tmp_path / "out" / "a.nii.gz", [0, 1, 0, 0, 2, 2, 0, 0])
    cases = [{"uid": "a", "label": tmp_path / "truth.nii.gz"}]
    arguments = (cases, tmp_path / "out", ["background", "organ", "nodule", "none"])
    dice = scores.dice_of_labels(*arguments)
    assert dice["organ"]["a"] == pytest.approx(0.5)
    assert dice["nodule"]["a"] == pytest.approx(2 / 3)
    # A class that neither has counts for each method, as it does if one invents some.
    assert dice["none"]["a"] == 1.0
    assert dice["foreground"]["a"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    _label(tmp_path / "out" / "a.nii.gz", [0, 1, 0, 0, 2, 2, 3, 0])
    assert scores.dice_of_labels(*arguments)["none"]["a"] == 0.0
    _label(tmp_path / "out" / "a.nii.gz", np.zeros(8), np.diag([2, 1, 1, 1]))
    with pytest.raises(InputError, match=r"a\.nii\.gz is on another grid"):
        scores.dice_of_labels(*arguments)


class _Method(types.SimpleNamespace):
    """Counts its calls; trains until the time is over."""

    def __init__(self, written):
        super().__init__(written=written, calls=[])

    def prepare(self, job, folder):
        self.calls.append("prepare")

    def train(self, job, folder, clock):
        self.calls.append("train")
        clock.start()
        while not clock.is_over:
            clock.step(0.5)

    def predict(self, job, folder, labels):
        self.calls.append("predict")
        for uid in self.written:
            (labels / f"{uid}.nii.gz").touch()


def test_a_child_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    method = _Method(["a"])
    monkeypatch.setattr(child.importlib, "import_module", lambda *_: method)
    job = {"method": "x", "module": "x_method", "packages": ["numpy"], "minutes": 1e-4}
    job["test"] = [{"uid": "a"}, {"uid": "b"}]
    (tmp_path / "job.json").write_text(json.dumps(job))
    with pytest.raises(RuntimeError, match=r"x wrote no b\.nii\.gz"):
        child.run(tmp_path)
    assert not jobs.is_done(tmp_path)
    method.written = ["a", "b"]
    child.run(tmp_path)
    assert method.calls == ["prepare", "train", "predict", "predict"]
    assert jobs.is_done(tmp_path)
    results = jobs.read_results(tmp_path)
    # A busy machine may pause it before or after the end of the time.
    assert results["steps"] > 0 and results["training_seconds"] > 0
    assert results["versions"]["numpy"] == np.__version__
    assert "x: step 1, loss 0.5000, 0.0 minutes left" in capsys.readouterr().out


@pytest.mark.slow
def test_all_methods_train_and_segment(phantoms, tmp_path):
    python = os.environ.get("TF_DIFFSEG_OTHER_PYTHON")
    if not python:
        pytest.skip("TF_DIFFSEG_OTHER_PYTHON names no Python with nnunetv2 and monai")
    flags = _flags(phantoms, tmp_path, python) | {"minutes": 0.05}
    flags |= {"methods": ",".join(jobs.PACKAGES), "volume_shape": "32,32,32"}
    process = _run(**flags)
    assert process.returncode == 0, process.stderr
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())["methods"]
    assert list(found) == list(jobs.PACKAGES)
    for name, method in found.items():
        assert method["steps"] > 0 and method["training_seconds"] >= 3.0, name
        assert len(list(pathlib.Path(tmp_path, "out", name, "labels").iterdir())) == 2
