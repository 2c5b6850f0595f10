"""Ten pieces of ours against tensorflow-addons 0.23, an independent implementation.

values.json has what it computes. Where it is installed (`.[oracle]`, Python 3.10 and
3.11) it must compute these values again.
"""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.addons import live
from tf_diffseg.data.augmentation.filters import blur
from tf_diffseg.data.augmentation.resampling import resample
from tf_diffseg.inference.postprocessing import PostProcessing
from tf_diffseg.losses.dice import dice_loss
from tf_diffseg.losses.focal import focal_loss
from tf_diffseg.metrics.dice import dice_score
from tf_diffseg.metrics.per_class import case_metrics
from tf_diffseg.metrics.streaming_dice import StreamingDice
from tf_diffseg.metrics.surface_distance import surface_distances
from tf_diffseg.models.instance_normalization import InstanceNormalization
from tf_diffseg.training.optimizer import KernelDecayAdamW

_CASES = json.loads((pathlib.Path(__file__).parent / "values.json").read_text())[
    "cases"
]
_INTEGERS = ("truth", "predicted", "label", "components")
_CLOSE = {"rtol": 0.0, "atol": 2e-6}


def _arrays(values):
    return {
        key: np.asarray(value, np.int32 if key in _INTEGERS else np.float32)
        for key, value in values.items()
    }


def _case(name):
    """Inputs and outputs of a case, dicts of arrays."""
    return _arrays(_CASES[name]["inputs"]), _arrays(_CASES[name]["outputs"])


@pytest.mark.parametrize("name", _CASES)
def test_the_values_are_what_the_package_computes(name):
    live.import_or_skip()
    inputs, outputs = _case(name)
    try:
        found = live.compute(name, inputs)
    except tf.errors.NotFoundError:
        pytest.skip("its compiled operations load on TensorFlow 2.15 alone")
    assert found.keys() == outputs.keys()
    for key, array in found.items():
        np.testing.assert_allclose(array, outputs[key], **_CLOSE, err_msg=key)


def test_focal_loss_of_classes_that_overlap():
    inputs, outputs = _case("sigmoid_focal_crossentropy")
    for key, theirs in outputs.items():
        gamma = float(key.removeprefix("gamma="))
        ours = focal_loss(**inputs, exclusive=False, gamma=gamma)
        # Their alpha of 0.5 halves each term, and they sum over classes.
        expected = 2.0 * theirs.mean(axis=(1, 2, 3)) / inputs["mask"].shape[-1]
        np.testing.assert_allclose(ours, expected, **_CLOSE, err_msg=key)


def test_dice_is_the_f1_score_of_voxels():
    inputs, outputs = _case("f1_score")
    streaming = StreamingDice(3)
    streaming.update_state(inputs["truth"], inputs["predicted"])
    np.testing.assert_allclose(
        streaming.per_class(), outputs["f1"].mean(axis=0), **_CLOSE
    )
    one_hot = np.eye(3, dtype=np.float32)
    loss = dice_loss(one_hot[inputs["truth"]], one_hot[inputs["predicted"]])
    np.testing.assert_allclose(1.0 - loss, outputs["f1"], rtol=0.0, atol=2e-5)
    for truth, predicted, f1 in zip(*inputs.values(), outputs["f1"], strict=True):
        np.testing.assert_allclose(dice_score(truth, predicted, 3).dice, f1, **_CLOSE)
        metrics = case_metrics(truth, predicted, 3, np.eye(4))
        np.testing.assert_allclose(metrics.dice[1:], f1[1:], **_CLOSE)


def test_precision_recall_and_iou_are_of_the_confusion_matrix():
    inputs, outputs = _case("confusion_matrix")
    for truth, predicted, counts in zip(
        *inputs.values(), outputs["counts"], strict=True
    ):
        metrics = case_metrics(truth, predicted, 3, np.eye(4))
        (_, fp), (fn, tp) = np.moveaxis(counts[1:], 0, -1)
        np.testing.assert_allclose(metrics.precision[1:], tp / (tp + fp), **_CLOSE)
        np.testing.assert_allclose(metrics.recall[1:], tp / (tp + fn), **_CLOSE)
        np.testing.assert_allclose(metrics.iou[1:], tp / (tp + fp + fn), **_CLOSE)


@pytest.mark.parametrize("axes", [(1, 2, 3), (1, 2)])
def test_instance_normalization(axes):
    inputs, outputs = _case("instance_normalization")
    layer = InstanceNormalization(axes)
    layer.build(inputs["features"].shape)
    layer.set_weights([inputs["gamma"], inputs["beta"]])
    theirs = outputs[f"axes={axes}"]
    np.testing.assert_allclose(layer(inputs["features"]), theirs, **_CLOSE)


def test_adamw_whose_decay_is_divided_by_the_learning_rate():
    inputs, outputs = _case("adamw")
    variables = [keras.Variable(inputs[name], name=name) for name in ("kernel", "bias")]
    optimizer = KernelDecayAdamW(0.05, weight_decay=0.01 / 0.05)
    optimizer.build(variables)
    for step in range(len(outputs["kernel"])):
        gradients = [
            inputs[f"{variable.name}_gradients"][step] for variable in variables
        ]
        optimizer.apply(gradients, variables)
        for variable in variables:
            theirs = outputs[variable.name][step]
            # A step is 0.05, divided by 1 - 0.999**t, which float32 rounds.
            np.testing.assert_allclose(variable, theirs, rtol=0.0, atol=1e-5)


def _in_3d(inputs):
    """Arguments of `resample` for a slice: one voxel of 1 mm along z."""
    arguments = {
        "image": inputs["image"][:, :, np.newaxis],
        "spacing_mm": np.append(inputs["spacing_mm"], np.float32(1.0)),
    }
    label = inputs.get("label", np.zeros(inputs["image"].shape[:2], np.int32))
    arguments["label"] = label[:, :, np.newaxis]
    matrix = np.eye(3, dtype=np.float32)
    if "matrix" in inputs:
        matrix[:2, :2] = inputs["matrix"]
        arguments["shift_mm"] = np.append(inputs["shift_mm"], np.float32(0.0))
    if "displacement_mm" in inputs:
        displacement = np.moveaxis(inputs["displacement_mm"], -1, 0)[..., np.newaxis]
        along_z = np.zeros_like(displacement[:1])
        arguments["displacement_mm"] = np.concatenate([displacement, along_z])
    return {**arguments, "matrix": matrix}


def test_an_affine_movement():
    inputs, outputs = _case("transform")
    # Ours fills with the darkest voxel, theirs with 0.
    assert inputs["image"].min(axis=(0, 1)).tolist() == [0.0, 0.0]
    image, label = resample(**_in_3d(inputs))
    np.testing.assert_allclose(image[:, :, 0], outputs["image"], **_CLOSE)
    np.testing.assert_array_equal(label[:, :, 0], outputs["label"])


def test_a_movement_by_displacements():
    inputs, outputs = _case("dense_image_warp")
    image, _ = resample(**_in_3d(inputs))
    np.testing.assert_allclose(image[:, :, 0], outputs["image"], **_CLOSE)


def test_blur_is_the_filter_divided_by_that_of_ones():
    inputs, outputs = _case("gaussian_filter2d")
    spacing_mm = np.append(inputs["spacing_mm"], np.float32(100.0))
    image = blur(inputs["image"][:, :, np.newaxis], spacing_mm, inputs["sigma_mm"])
    np.testing.assert_allclose(image[:, :, 0], outputs["image"], **_CLOSE)


def test_distances_between_surfaces():
    inputs, outputs = _case("euclidean_dist_transform")
    distances = surface_distances(inputs["a"], inputs["b"], (1.0, 1.0))
    for ours, theirs in (
        (distances.ground_truth_to_predicted_mm, outputs["a_to_b"]),
        (distances.predicted_to_ground_truth_mm, outputs["b_to_a"]),
    ):
        np.testing.assert_allclose(ours, theirs, **_CLOSE)


def test_the_largest_component():
    inputs, outputs = _case("connected_components")
    class_ids = inputs["mask"].astype(np.int32)[..., np.newaxis]
    kept = PostProcessing(largest_component=True)(class_ids, voxel_ml=1.0)
    np.testing.assert_array_equal(kept[..., 0], outputs["largest"])
