"""The ignore label from a data set to the report: in no figure, in no prediction."""

import json

import keras
import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from tests.data_tools.in_process import convert_here
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.metrics import case_metrics
from tf_diffseg.reports import evaluation_report, reverse_process
from tf_diffseg.reports.model_card import model_card
from tf_diffseg.reports.report_page import ReportPage
from tf_diffseg.runs import evaluation
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.runs.training_run import build_network
from tf_diffseg.training.saving.checkpoints import save_checkpoint

CONFIG = TrainConfig(
    patch_shape=(8, 8, 8),
    num_channels=(4,),
    num_heads=0,
    num_timesteps=2,
    validation_pictures=0,
)


def _write_dataset(root, maps, **fields):
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index, label in enumerate(maps):
        image = rng.normal(size=label.shape).astype(np.float32)
        path = root / "imagesTr" / f"case{index}_0000.nii.gz"
        nib.save(nib.Nifti1Image(image, np.eye(4)), path)
        path = root / "labelsTr" / f"case{index}.nii.gz"
        nib.save(nib.Nifti1Image(label.astype(np.uint8), np.eye(4)), path)
    fields = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "organ": 1, "tumour": 2, "ignore": 3},
        "numTraining": len(maps),
        "file_ending": ".nii.gz",
        **fields,
    }
    (root / "dataset.json").write_text(json.dumps(fields))


def _labels(num_cases=6):
    """A cube in a cube; of each case one corner is ignored, of the last all."""
    distance = np.abs(np.indices((8, 8, 8)) - 3.5).max(axis=0)
    label = np.select([distance < 1, distance < 3], [2, 1])
    labels = np.stack([label] * num_cases)
    labels[:, :4, :4] = 3
    labels[-1] = 3
    return labels


@pytest.fixture(
    scope="module",
    params=["classes", pytest.param("regions", marks=pytest.mark.slow)],
)
def trained(request, tmp_path_factory):
    """`(folder of shards, TrainedModels)` of random weights."""
    root = tmp_path_factory.mktemp("ignoring") / "Dataset001_Toy"
    fields = {}
    if request.param == "regions":
        fields["labels"] = {"background": 0, "organ": [1, 2], "tumour": 2, "ignore": 3}
        fields["regions_class_order"] = [1, 2]
    _write_dataset(root, _labels(), **fields)
    shards, run = root.parent / "shards", root.parent / "run"
    convert_here(root, shards, {"train": 0.3, "test": 0.7})
    manifest = read_manifest(shards)
    RunFolder(run).begin(CONFIG, manifest)
    keras.utils.set_random_seed(0)
    model = build_network(CONFIG, manifest)
    assert model.ignore_label == 3
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign_add(rng.normal(scale=0.3, size=weight.shape))
    model.compile()
    save_checkpoint(model, run / "checkpoints", 1)
    options = InferenceOptions(num_samples=2)
    return shards, TrainedModels([run], options)


def _scored(trained, **changes):
    shards, models = trained
    manifest = read_manifest(shards)
    scorer = evaluation.scorer_of(
        models, manifest, manifest.shard_paths(shards, "test")
    )
    uids = set(manifest.split("test").uids)
    return manifest, list(scorer.score(uids))


@pytest.mark.slow
def test_evaluation_and_report_leave_ignored_voxels_out(trained, tmp_path):
    shards, models = trained
    manifest, scored = _scored(trained)
    truths = {f"case{i}": label for i, label in enumerate(_labels())}
    page = ReportPage(manifest, models.targets, "test", 1e6)
    for scores, volumes in scored:
        truth = truths[scores.uid]
        assert volumes.predicted.max() < 3
        is_known = truth != 3
        assert scores.ignored_voxels == np.count_nonzero(~is_known)
        ours = np.where(is_known, volumes.predicted, 0)
        expected = case_metrics(
            np.where(is_known, truth, 0),
            ours,
            3,
            np.eye(4),
            regions=models.targets.class_ids,
        )
        for name in ("dice", "hd95_mm", "assd_mm", "recall", "centroid_distance_mm"):
            np.testing.assert_array_equal(
                getattr(scores.metrics, name), getattr(expected, name), err_msg=name
            )
        np.testing.assert_array_equal(scores.dice_per_step[-1], expected.dice)
        if is_known.any():
            true_ml = scores.metrics.true_volume_ml
            np.testing.assert_array_equal(true_ml[1:], expected.true_volume_ml[1:])
            known_ml = np.count_nonzero(is_known) / 1000.0
            assert true_ml[0] == np.count_nonzero(truth == 0) / 1000.0
            sums = scores.sample_volumes_ml.max(axis=1)
            assert (sums <= known_ml + 1e-9).all()
        else:
            assert np.isnan(scores.metrics.true_volume_ml).all()
            assert np.isnan([scores.mean_dice, scores.expected_dice]).all()
            assert np.isnan(scores.error_auroc)
        page.add(scores, volumes)
    cases = [scores for scores, _ in scored]
    drawn = {scores.uid: volumes for scores, volumes in scored}
    summary = evaluation_report.write(
        cases, drawn, manifest, "test", tmp_path, page, None, models.targets.names
    )
    total = sum(np.count_nonzero(truths[case.uid] == 3) for case in cases)
    assert summary["ignored"] == {"voxels": total, "cases": len(cases)}
    assert f"{total} voxels of {len(cases)} case(s) have no true class" in (
        evaluation_report.table(summary)
    )
    known = [case for case in cases if (truths[case.uid] != 3).any()]
    for values in summary["classes"].values():
        assert values["num_counted"] + values["num_absent"] == len(known)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '{"name":"ignored","colour":' in text
    assert f'"ignored_voxels":{cases[0].ignored_voxels}' in text


def test_no_metric_depends_on_what_is_predicted_where_it_is_ignored():
    rng = np.random.default_rng(3)
    truth, first = rng.integers(0, 3, (2, 6, 7, 5))
    truth[rng.random(truth.shape) < 0.4] = 3
    second = np.where(truth == 3, rng.integers(0, 3, truth.shape), first)
    probabilities = rng.dirichlet(np.ones(3), (2, *truth.shape))
    probabilities[1] = np.where(
        (truth == 3)[..., np.newaxis], probabilities[1], probabilities[0]
    )
    found = [
        case_metrics(truth, label, 3, np.eye(4), (1.0,), each, ignored_id=3)
        for label, each in zip((first, second), probabilities, strict=True)
    ]
    for name, values in vars(found[0]).items():
        np.testing.assert_array_equal(values, getattr(found[1], name), err_msg=name)
    # Where nothing is ignored, nothing changes.
    known = np.where(truth == 3, 0, truth)
    arguments = (known, first, 3, np.eye(4), (1.0,), probabilities[0])
    plain, marked = case_metrics(*arguments), case_metrics(*arguments, ignored_id=3)
    for name, values in vars(plain).items():
        np.testing.assert_array_equal(values, getattr(marked, name), err_msg=name)


def test_the_model_card_tells_of_it(trained):
    _, models = trained
    card = model_card(models, "toy", {})
    assert (card["ignore_label"], card["label_values"]) == (3, [0, 1, 2])


def test_it_is_grey_along_the_reverse_process():
    colours = reverse_process._colours(np.array([[0, 1], [2, 3]]), ignored_id=3)
    grey = colours[1, 1]
    assert np.ptp(grey) < 0.1 < grey.min()
    np.testing.assert_array_equal(
        colours[0], reverse_process._colours(np.array([[0, 1], [2, 3]]))[0]
    )


def test_training_on_nothing_but_ignored_voxels_is_refused(trained):
    shards, _ = trained
    manifest = read_manifest(shards)
    manifest.split("train").statistics["voxels_per_class"] = [0, 0, 0]
    with pytest.raises(InputError, match="has the ignore label 3"):
        build_network(CONFIG, manifest)


def test_training_reads_the_shards_as_they_are(trained):
    shards, models = trained
    manifest = read_manifest(shards)
    (model,) = models.models
    model.compile(keras.optimizers.SGD(1e-3))
    cases = evaluation_dataset(
        manifest.shard_paths(shards, "train"), ("image", "label")
    )
    history = model.fit(cases.batch(1), verbose=0).history
    assert np.isfinite(history["loss"]).all() and history["loss"][0] > 0.0
    # Labels that the shards could not hold are refused all the same.
    wrong = cases.map(lambda case: {**case, "label": case["label"] + 1}).batch(1)
    with pytest.raises(ValueError, match="or ignore_label=3, .*got 4"):
        model.fit(wrong, verbose=0)
    assert isinstance(next(iter(cases))["label"], tf.Tensor)
