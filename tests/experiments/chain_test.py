"""The whole chain on a few phantoms, every link as the command that users call."""

import csv
import importlib.util
import json
import pathlib
import shlex
import shutil

import nibabel as nib
import numpy as np
import pytest

from experiments.chains import chain as chain_of_commands
from experiments.chains import own_data
from tests.commands import run_module

HAS_SERVING = importlib.util.find_spec("tensorflow_serving") is not None

CONFIG = """
from tf_diffseg.runs.train_config import TrainConfig


def get_config():
    return TrainConfig(
        patch_shape=(20, 20, 20),
        epochs=2,
        num_channels=(4, 8),
        num_heads=2,
        # Enough steps for a network that sees more than background.
        patches_per_volume=16,
        learning_rate=0.03,
        warmup_steps=0,
    )
"""


def command(module, *arguments, expected_code=0, **flag_values):
    """Runs `python -m module --flag=value ...` and returns what it prints."""
    flags = [f"--{name}={value}" for name, value in flag_values.items()]
    process = run_module(module, *flags, *arguments)
    output = process.stdout + process.stderr
    assert process.returncode == expected_code, output
    return output


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Folder with phantoms, shards, a trained run, its results and its export."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "config.py").write_text(CONFIG)
    command("data_tools.make_phantom", output_dir=folder / "phantom", num_cases=8)
    command(
        "data_tools.convert_nifti",
        dataset_json=folder / "phantom" / "dataset.json",
        output_dir=folder / "shards",
        split="train=0.5,test=0.5",
        spacing_mm="4,4,4",
        volume_shape="20,20,20",
        num_workers=1,
    )
    run = {"data_dir": folder / "shards", "model_dir": folder / "run"}
    train = {"config": folder / "config.py", **run}
    first = command("experiments.train", **train)
    second = command("experiments.train", **train, epochs=1)
    log = "\n=====\n".join([first, second])
    (folder / "train.log").write_text(log, encoding="utf-8")
    results = folder / "results"
    command("experiments.evaluate", **run, split="test", output_dir=results)
    scan = scan_paths(folder)[0]
    warmup = {"warmup": scan} if HAS_SERVING else {}
    command(
        "experiments.export",
        model_dir=folder / "run",
        export_dir=folder / "export",
        results_dir=results,
        attribution="phantoms",
        max_voxels=100_000,
        verify=scan,
        **warmup,
    )
    return folder


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def scan_paths(chain):
    return sorted((chain / "phantom" / "imagesTr").iterdir())


def turned_to_psl(volume):
    """The volume with its axes in another order, and the turn that gave it."""
    target = nib.orientations.axcodes2ornt(("P", "S", "L"))
    turn = nib.orientations.ornt_transform(nib.io_orientation(volume.affine), target)
    return volume.as_reoriented(turn), turn


@pytest.fixture(scope="module")
def segmented(chain):
    """Folders of a folder of scans, segmented by the export and by the run.

    The scans are one of the test split, a copy of it with other axes, and what is none.
    """
    scans = chain / "scans"
    scans.mkdir()
    (uid, *_) = read_json(chain / "shards" / "manifest.json")["splits"]["test"]["uids"]
    scan = chain / "phantom" / "imagesTr" / f"{uid}.nii.gz"
    shutil.copy(scan, scans)
    nib.save(turned_to_psl(nib.load(scan))[0], scans / "turned.nii.gz")
    (scans / "damaged.nii.gz").write_bytes(b"not a scan")
    (scans / "._hidden.nii.gz").touch()
    (scans / "notes.txt").touch()
    log = command(
        "experiments.segment",
        model=chain / "export" / "1",
        input=scans,
        output=chain / "by_export",
        expected_code=1,
    )
    (chain / "segment.log").write_text(log, encoding="utf-8")
    # A pattern leaves out what is damaged.
    by_run = {"input": scans / "*[0-9].nii*", "output": chain / "by_run"}
    command("experiments.segment", model=chain / "run", **by_run)
    return chain


def own_stages(folder):
    """The `own_data.Stage`s of a folder, by module."""
    data = [f"--dataset_json={folder / 'phantom' / 'dataset.json'}", "--group_by=auto"]
    given = data, ["--spacing_mm=auto"], ["--config=auto", "--memory_gib=8"]
    return {stage.command[0]: stage for stage in own_data.stages(folder, *given)}


def test_stages_are_done_if_they_belong_to_the_run(chain, tmp_path):
    stages = own_stages(chain)
    assert [module.rpartition(".")[2] for module in stages] == [
        "verify_dataset",
        "convert_nifti",
        "train",
        "evaluate",
        "export",
    ]
    assert all(stage.is_done for stage in stages.values())
    copy = shutil.copytree(chain, tmp_path / "copy")
    (copy / "run" / "checkpoints" / "epoch-00002.keras").touch()
    done = [module for module, stage in own_stages(copy).items() if stage.is_done]
    assert done == ["data_tools.verify_dataset", "data_tools.convert_nifti"]


def test_printed_stages_are_commands(chain):
    for stage in own_stages(chain).values():
        module, *words = shlex.split(chain_of_commands.line(stage.command))[2:]
        process = run_module(module, *words, "--only_check_args")
        assert process.returncode == 0, process.stderr


def test_train_ends_and_does_nothing_twice(chain):
    first, second = (chain / "train.log").read_text(encoding="utf-8").split("\n=====\n")
    assert "epoch 1/2" in first and "epoch 2/2" in first
    assert "no split validation" in first and "going on" not in first
    assert "nothing to do" in second
    checkpoints = [path.name for path in (chain / "run" / "checkpoints").iterdir()]
    assert sorted(checkpoints) == ["epoch-00001.keras", "epoch-00002.keras"]
    config = read_json(chain / "run" / "config.json")
    assert config["epochs"] == 2 and config["num_channels"] == [4, 8]


def test_train_refuses_another_config_in_the_same_folder(chain):
    output = command(
        "experiments.train",
        config=chain / "config.py",
        data_dir=chain / "shards",
        model_dir=chain / "run",
        weight_decay=0.5,
        expected_code=1,
    )
    assert "weight_decay was 0.0001, now 0.5" in output
    assert "Traceback" not in output


def test_train_and_evaluate_and_export_refuse_bad_folders_before_any_work(chain):
    run = {"data_dir": chain / "shards", "model_dir": chain / "run"}
    train = {"config": chain / "config.py", "data_dir": chain / "shards"}
    file = chain / "config.py"
    for module, flag_values, message in [
        ("train", {**train, "model_dir": file}, "is a file, expected a folder"),
        ("train", {**train, "model_dir": file / "run"}, "lies below"),
        ("train", {**train, "model_dir": chain / "shards"}, "the folder of --data_dir"),
        ("evaluate", {**run, "output_dir": file / "out"}, "lies below"),
        ("export", {"model_dir": chain / "run", "export_dir": file}, "is a file"),
    ]:
        output = command(f"experiments.{module}", **flag_values, expected_code=1)
        assert message in output and len(output.splitlines()) == 1


def test_evaluate_refuses_training_cases_under_another_name(chain, tmp_path):
    data_dir = shutil.copytree(chain / "shards", tmp_path / "shards")
    manifest = read_json(data_dir / "manifest.json")
    splits = manifest["splits"]
    splits["train"], splits["test"] = splits["test"], splits["train"]
    (data_dir / "manifest.json").write_text(json.dumps(manifest))
    moved = {"data_dir": data_dir, "model_dir": chain / "run"}
    results = tmp_path / "results"
    output = command(
        "experiments.evaluate", **moved, output_dir=results, expected_code=1
    )
    assert f"holds {len(splits['test']['uids'])} case(s) that the run" in output
    output = command(
        "experiments.train", **moved, config=chain / "config.py", expected_code=1
    )
    assert "holds a run on other data: the split train" in output
    assert not results.exists()


def test_evaluate_refuses_sampling_flags_of_a_supervised_run(chain, tmp_path):
    config = read_json(chain / "run" / "config.json")
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "strategy": "supervised"})
    )
    shutil.copy(chain / "run" / "manifest.json", tmp_path)
    folders = {"data_dir": chain / "shards", "model_dir": tmp_path}
    for name, value in {"sampler": "ddpm", "num_samples": 3}.items():
        output = command(
            "experiments.evaluate",
            **folders,
            output_dir=tmp_path / "results",
            **{name: value},
            expected_code=1,
        )
        assert f"--{name} does not apply" in output
        assert len(output.splitlines()) == 1


def test_a_damaged_checkpoint_is_named(chain, tmp_path):
    run = shutil.copytree(chain / "run", tmp_path / "run")
    path = run / "checkpoints" / "epoch-00002.keras"
    path.write_bytes(path.read_bytes()[:-100])
    for module, flag_values in {
        "evaluate": {"data_dir": chain / "shards", "output_dir": tmp_path / "out"},
        "export": {"export_dir": tmp_path / "out"},
    }.items():
        output = command(
            f"experiments.{module}", **flag_values, model_dir=run, expected_code=1
        )
        assert f"{path} is damaged; remove it" in output
        assert "Traceback" not in output


def test_evaluate_writes_a_row_for_each_case_and_class(chain):
    manifest = read_json(chain / "shards" / "manifest.json")
    uids = manifest["splits"]["test"]["uids"]
    with open(chain / "results" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    cases = [row for row in rows if row["uid"] != "mean"]
    assert [row["uid"] for row in cases] == list(np.repeat(uids, 3))
    assert {row["class_name"] for row in cases} == set(manifest["class_names"][1:])
    summary = read_json(chain / "results" / "metrics.json")
    assert summary["num_cases"] == len(uids)
    assert len(summary["mean_foreground_dice_per_step"]) == 5
    for row in (row for row in rows if row["uid"] == "mean" and row["class_id"]):
        of_class = [c for c in cases if c["class_id"] == row["class_id"] and c["dice"]]
        mean = np.mean([float(case["dice"]) for case in of_class])
        assert float(row["dice"]) == pytest.approx(mean, abs=1e-5)
        assert summary["classes"][row["class_name"]]["dice"] == pytest.approx(
            mean, abs=1e-5
        )
    page = (chain / "results" / "report.html").read_text(encoding="utf-8")
    assert all(uid in page for uid in uids)
    for name in ("best", "median", "worst"):
        png = (chain / "results" / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG") and len(png) > 10_000


def test_predict_evaluate_and_export_agree(chain):
    import keras
    import tensorflow as tf

    import tf_diffseg
    from tf_diffseg.data.manifest import read_manifest
    from tf_diffseg.runs.evaluation import scorer_of
    from tf_diffseg.runs.inference_options import InferenceOptions
    from tf_diffseg.runs.trained_models import TrainedModels

    assert tf_diffseg.DiffusionUNet3D  # Registers the class.
    manifest = read_manifest(chain / "shards")
    paths = manifest.shard_paths(chain / "shards", "test")
    trained = TrainedModels([chain / "run"], InferenceOptions())
    (model,) = trained.models
    assert isinstance(model, keras.Model)
    served = tf.saved_model.load(str(chain / "export" / "1"))
    serve = served.signatures["serving_default"]
    scorer = scorer_of(trained, manifest, paths)
    num_foreground = 0
    for _, case in scorer.score(set(manifest.split("test").uids)):
        num_foreground += np.count_nonzero(case.predicted)
        image = case.image[np.newaxis]
        predicted = model.predict(image, verbose=0).argmax(axis=-1)[0]
        np.testing.assert_array_equal(predicted, case.predicted)
        result = serve(image=tf.constant(image), seed=tf.constant([0]))
        np.testing.assert_array_equal(result["label"][0], case.predicted)
    assert num_foreground > 0  # Background alone agrees with anything.


def test_segment_scores_as_evaluate_says(segmented):
    from tf_diffseg.metrics import dice_score

    (by_run,) = (segmented / "by_run").iterdir()
    uid = by_run.name.removesuffix(".nii.gz")
    image = nib.load(segmented / "phantom" / "imagesTr" / f"{uid}.nii.gz")
    label = nib.load(segmented / "by_export" / f"{uid}.nii.gz")
    assert label.shape == image.shape
    np.testing.assert_array_equal(label.affine, image.affine)
    truth = nib.load(segmented / "phantom" / "labelsTr" / f"{uid}.nii.gz")
    dice = dice_score(np.asarray(truth.dataobj), np.asarray(label.dataobj), 4).dice
    with open(segmented / "results" / "metrics.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["uid"] == uid]
    expected = [float(row["dice"]) for row in rows]
    np.testing.assert_allclose(dice[1:], expected, atol=1e-5)


def test_segment_goes_on_past_bad_scans_and_takes_a_run_as_well(segmented):
    log = (segmented / "segment.log").read_text(encoding="utf-8")
    assert "segmented: 2 scan(s)" in log
    assert log.splitlines()[-1].startswith("error: damaged: ")
    by_export = sorted(path.name for path in (segmented / "by_export").iterdir())
    assert len(by_export) == 2 and by_export[-1] == "turned.nii.gz"
    (by_run,) = (segmented / "by_run").iterdir()
    assert by_run.name == by_export[0]
    np.testing.assert_array_equal(
        nib.load(by_run).dataobj,
        nib.load(segmented / "by_export" / by_run.name).dataobj,
    )


def test_the_python_interface_gives_what_the_command_gives(segmented):
    from tf_diffseg.runs.segmentation.segmenter import load_segmenter

    (by_run,) = (segmented / "by_run").iterdir()
    segmenter = load_segmenter(segmented / "export" / "1")
    label = segmenter(nib.load(segmented / "scans" / by_run.name))
    assert isinstance(label, nib.Nifti1Image)
    expected = nib.load(segmented / "by_export" / by_run.name)
    np.testing.assert_array_equal(label.dataobj, expected.dataobj)
    np.testing.assert_array_equal(label.affine, expected.affine)


def test_a_permuted_copy_of_a_scan_gets_the_permuted_label_map(segmented):
    label, turned = map(nib.load, sorted((segmented / "by_export").iterdir()))
    expected, turn = turned_to_psl(label)
    assert turned.shape != label.shape or turn.tolist() == [[0, 1]] * 3
    np.testing.assert_allclose(expected.affine, turned.affine, atol=1e-4)
    agree = np.asarray(expected.dataobj) == np.asarray(turned.dataobj)
    # Sums in another order round otherwise: single voxels at a border may differ.
    assert agree.mean() > 0.999
    assert np.asarray(label.dataobj).any()


def test_an_export_is_verified_with_warm_up_and_card(chain):
    names = {path.name for path in (chain / "export").iterdir()}
    assert names == {"1", "models.config", "batching_parameters.txt"}
    config = (chain / "export" / "models.config").read_text(encoding="utf-8")
    assert 'base_path: "/models/export"' in config
    version = chain / "export" / "1"
    if HAS_SERVING:
        requests = version / "assets.extra" / "tf_serving_warmup_requests"
        assert requests.stat().st_size > scan_paths(chain)[0].stat().st_size
    card = read_json(version / "assets" / "model_card.json")
    assert card["name"] == "export" and card["attribution"] == "phantoms"
    assert card["class_names"][0] == "background"
    assert len(card["class_colours"]) == len(card["label_values"])
    metrics = read_json(chain / "results" / "metrics.json")
    paths = metrics["inference"]["checkpoints"]
    metrics["inference"]["checkpoints"] = [pathlib.Path(path).name for path in paths]
    assert card["metrics"] == metrics
    assert card["training_data"]["fingerprint"]["num_cases"] > 0
    spacing_mm = card["training_data"]["fingerprint"]["spacing_mm"]
    assert {"min", "median", "max"} <= spacing_mm.keys()
    assert card["served"]["resample"] == "auto"
    assert card["sampling"]["num_timesteps"] == 5
    assert card["served"]["max_voxels"] == 100_000


def test_samples_say_how_sure_they_are(chain, tmp_path):
    scan = scan_paths(chain)[0]
    command(
        "experiments.segment",
        "--largest_component",
        model=chain / "export" / "1",
        input=scan,
        output=tmp_path / "label.nii.gz",
        num_samples=3,
    )
    maps = ["label_entropy.nii.gz", "label_variance.nii.gz"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"label.nii.gz", "label_volumes.json", *maps}
    for name in maps:
        found = nib.load(tmp_path / name)
        assert found.shape == nib.load(scan).shape
        np.testing.assert_allclose(found.affine, nib.load(scan).affine, atol=1e-4)
        assert np.asarray(found.dataobj).max() > 0.0
    volumes = read_json(tmp_path / "label_volumes.json")
    assert volumes["num_samples"] == 3
    for found in volumes["classes"].values():
        assert len(found["samples_ml"]) == 3
        low, high = found["interval_ml"]
        assert low <= np.median(found["samples_ml"]) <= high


def test_export_refuses_before_any_work(chain, tmp_path):
    export = {"model_dir": chain / "run", "export_dir": tmp_path / "export"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text('{"classes": {"liver": {}}}')
    for flag_values, message in [
        ({"results_dir": tmp_path}, "holds no metrics.json"),
        ({"results_dir": tmp_path / "other"}, "has scores of liver; expected the mod"),
        ({"warmup": chain / "config.py"}, "expected a .nii or .nii.gz file"),
        ({"max_voxels": 7999}, "max_voxels must be at least those of (20, 20, 20)"),
    ]:
        output = command("experiments.export", **export, **flag_values, expected_code=1)
        assert message in output and "Traceback" not in output
    assert not list(tmp_path.glob("export/*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "num_steps",
    [
        {"supervised": 1},
        {"self_conditioning": 5, "supervised": 1},
    ],
    ids=",".join,
)
def test_compares_strategies_and_goes_on_where_it_stopped(chain, tmp_path, num_steps):
    output_dir = tmp_path / "comparison"
    flags = {
        "data_dir": chain / "shards",
        "output_dir": output_dir,
        "config": chain / "config.py",
        "epochs": 1,
        "strategies": ",".join(num_steps),
    }
    log = command("experiments.compare", **flags)
    found = read_json(output_dir / "comparison.json")
    found_steps = {r["strategy"]: len(r["mean_dice_per_step"]) for r in found}
    assert list(found_steps.items()) == list(num_steps.items())
    assert all(row["num_cases"] == 4 for row in found)
    for row in found:
        dice = [of_class["dice"]["mean"] for of_class in row["classes"].values()]
        assert row["mean_dice_per_step"][-1] == pytest.approx(np.mean(dice))
        run = read_json(output_dir / row["strategy"] / "config.json")
        assert run["strategy"] == row["strategy"]
    assert (output_dir / "comparison.md").read_text(encoding="utf-8") in log
    assert (output_dir / "comparison.png").stat().st_size > 10_000
    again = command("experiments.compare", **flags)
    assert again.count("nothing to do") == len(num_steps)


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"strategies": "magic"}, "--strategies: expected some of supervised"),
        ({"strategies": "supervised", "strategy": "recycling"}, "--strategy: name"),
        (
            {"strategies": "diffusion,recycling", "model_output": "noise"},
            "--strategies=recycling: model_output=noise needs --strategy=diffusion",
        ),
    ],
)
def test_compare_refuses(chain, flags, message):
    place = {"data_dir": chain / "shards", "output_dir": chain / "none"}
    place["config"] = chain / "config.py"
    log = command("experiments.compare", expected_code=1, **place, **flags)
    assert message in log and "Traceback" not in log
    assert not (chain / "none").exists()


@pytest.mark.slow
def test_trains_without_a_number_of_the_users(chain):
    run = {"data_dir": chain / "shards", "model_dir": chain / "auto"}
    # As little as the smallest patch takes.
    log = command("experiments.train", **run, epochs=1, memory_gib=1.1)
    assert "epoch 1/1" in log
    config = read_json(chain / "auto" / "config.json")
    assert max(config["patch_shape"]) <= 24
    assert config["scale_factor"] == [2, 2, 2]
    new = run | {"model_dir": chain / "none"}
    none = command("experiments.train", expected_code=1, **new, memory_gib=0.5)
    assert "--memory_gib=0.5: the smallest patch, 16x16x16, needs" in none
