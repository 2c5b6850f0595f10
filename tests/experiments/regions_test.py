"""Regions that overlap, from an nnU-Net data set to a label map and its scores."""

import csv
import dataclasses
import json

import keras
import nibabel as nib
import numpy as np
import pytest

from tests.commands import run_module
from tests.data_tools.in_process import convert_here
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.reports.reverse_process import load_case, sample_steps
from tf_diffseg.runs.reverse_process import draw_reverse_process
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.segmentation.segmenter import load_segmenter
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training_run import build_network
from tf_diffseg.training.saving.checkpoints import save_checkpoint

_CONFIG = TrainConfig(patch_shape=(8, 8, 8), num_channels=(4, 8), num_heads=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Shards of tumours (1) with a core (4) and a rim of it (2), as in BraTS."""
    root = tmp_path_factory.mktemp("regions") / "Dataset001_Tumour"
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    distance = np.abs(np.indices((8, 8, 8)) - 3.5).max(axis=0)
    label = np.select([distance < 1, distance < 2, distance < 3], [4, 2, 1])
    for index in range(8):
        image = (label + rng.normal(scale=0.1, size=label.shape)).astype(np.float32)
        path = root / "imagesTr" / f"case{index}_0000.nii.gz"
        nib.save(nib.Nifti1Image(image, np.eye(4)), path)
        path = root / "labelsTr" / f"case{index}.nii.gz"
        nib.save(nib.Nifti1Image(label.astype(np.uint8), np.eye(4)), path)
    fields = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "whole": [1, 2, 4], "core": [2, 4], "enhancing": 4},
        "regions_class_order": [1, 2, 4],
        "numTraining": 8,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(fields))
    shards = root.parent / "shards"
    convert_here(root, shards)
    return shards


@pytest.fixture(scope="module")
def run(data):
    """A network of few steps that has learned something."""
    manifest, path = read_manifest(data), data.parent / "run"
    RunFolder(path).begin(_CONFIG, manifest)
    keras.utils.set_random_seed(0)
    model = build_network(_CONFIG, manifest)
    model.compile(keras.optimizers.Adam(0.02))
    cases = evaluation_dataset(manifest.shard_paths(data, "train"), ("image", "label"))
    model.fit(cases.repeat(30).batch(2), verbose=0)
    save_checkpoint(model, path / "checkpoints", 1)
    return path


def test_regions_are_class_ids_in_the_order_they_are_written(data):
    targets = targets_of(_CONFIG, read_manifest(data))
    assert targets.names == ["background", "whole", "core", "enhancing"]
    assert targets.class_ids == [(1, 2, 3), (2, 3), (3,)]
    assert targets.region_labels == [1, 2, 3]
    assert targets.num_outputs == 3


def test_regions_can_be_left_alone(data):
    manifest = read_manifest(data)
    targets = targets_of(TrainConfig(mask_encoding="exclusive"), manifest)
    assert (targets.num_outputs, targets.regions) == (4, None)


def test_overlapping_needs_regions(data):
    manifest = dataclasses.replace(read_manifest(data), regions=[])
    with pytest.raises(InputError, match="mask_encoding=overlapping.*declares no reg"):
        targets_of(TrainConfig(mask_encoding="overlapping"), manifest)


def test_evaluation_scores_regions(data, run, tmp_path):
    flags = [f"--data_dir={data}", f"--model_dir={run}"]
    flags.append(f"--output_dir={tmp_path / 'out'}")
    run_module("experiments.evaluate", *flags).check_returncode()
    with open(tmp_path / "out" / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    means = {r["class_name"]: float(r["dice"]) for r in rows if r["uid"] == "mean"}
    assert list(means) == ["whole", "core", "enhancing", "foreground"]
    assert means["whole"] > 0.9
    volume_ml = {r["class_name"]: float(r["true_volume_ml"]) for r in rows[:3]}
    assert volume_ml == {"whole": 0.216, "core": 0.064, "enhancing": 0.008}
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_label_map_has_the_files_own_values(run):
    distance = np.abs(np.indices((8, 8, 8)) - 3.5).max(axis=0)
    image = np.select([distance < 1, distance < 2, distance < 3], [4, 2, 1])
    label = load_segmenter(run)(nib.Nifti1Image(image.astype(np.float32), np.eye(4)))
    found = np.asarray(label.dataobj)
    assert set(np.unique(found)) <= {0, 1, 2, 4}
    assert np.mean((found > 0) == (image > 0)) > 0.95


def _scan_of_four():
    """A scan of four tumours, and its label values."""
    distance = np.abs(np.indices((8, 8, 8)) - 3.5).max(axis=0)
    label = np.select([distance < 1, distance < 2, distance < 3], [4, 2, 1])
    label = np.tile(label, (2, 2, 1))
    return nib.Nifti1Image(label.astype(np.float32), np.eye(4)), label


@pytest.mark.parametrize("options", [{}, {"early_exit": 0.01}, {"num_samples": 2}])
def test_windows_over_a_larger_scan_find_each_region(run, options):
    """The network sees the tumours one by one."""
    image, label = _scan_of_four()
    found = np.asarray(load_segmenter(run, overlap=0.0, **options)(image).dataobj)
    for values, dice in (((1, 2, 4), 0.85), ((2, 4), 0.8), ((4,), 0.8)):
        ours, truth = np.isin(found, values), np.isin(label, values)
        assert 2.0 * (ours & truth).sum() / (ours.sum() + truth.sum()) > dice


def test_the_largest_region_stays_as_a_whole(run):
    image, label = _scan_of_four()
    options = {"overlap": 0.0, "largest_component": True}
    found = np.asarray(load_segmenter(run, **options)(image).dataobj)
    for values in ((1, 2, 4), (2, 4), (4,)):
        number = np.isin(label, values).sum() / 4
        assert 0.7 * number < np.isin(found, values).sum() < 1.3 * number


def test_the_reverse_process_shows_class_ids(data, run, tmp_path):
    manifest = read_manifest(data)
    case = load_case(manifest.shard_paths(data, "test"), 0)
    labels = targets_of(_CONFIG, manifest).region_labels
    model = RunFolder(run).load_model()
    *_, last = sample_steps(model, case["image"], 0, labels)
    assert np.mean(last.predicted == case["label"]) > 0.9
    assert set(np.unique(last.predicted)) == {0, 1, 2, 3}
    draw_reverse_process(run, data, tmp_path / "steps.png")
    assert (tmp_path / "steps.png").stat().st_size > 1000
