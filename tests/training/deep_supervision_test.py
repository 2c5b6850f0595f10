"""Coarser resolutions learn to give the segmentation, and nothing else changes."""

import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    TWO_STEPS,
    arrays,
    threshold_model,
    threshold_volumes,
)
from tf_diffseg.diffusion import label_to_mask
from tf_diffseg.training.batches.coarse_mask import coarse_mask
from tf_diffseg.training.batches.ignored_voxels import mark_ignored

_THREE_LEVELS = {
    "num_channels": (4, 6, 8),
    "num_blocks": (1, 1, 1),
    "num_heads": 0,
    "deep_supervision": 2,
}
_KINDS = [
    {"strategy": "supervised"},
    {"mask_branch": (4,), "mask_output": "logits"},
]


@pytest.mark.parametrize("kind", _KINDS, ids=str)
def test_the_loss_is_a_mean_over_resolutions(kind):
    image, label = threshold_volumes(2)
    label[0, :, :3] = 255
    model = threshold_model(**_THREE_LEVELS, **kind, ignore_label=255)
    mask = mark_ignored(label_to_mask(label, 3), label, 255)
    _, deep = model.with_deep_logits(image, training=True)

    losses = model._with_deep_losses({"loss": tf.constant([7.0, 1.0])}, mask, deep)

    one_pass = model.training_loss.of_one_pass(model.encoding, has_ignored=True)
    of_levels = [np.array([7.0, 1.0])]
    for each, factor in zip(deep, [(2, 2, 2), (4, 4, 4)], strict=True):
        of_levels.append(one_pass(coarse_mask(mask, factor, (4, 4, 4)), each)["loss"])
    expected = (of_levels[0] + of_levels[1] / 2 + of_levels[2] / 4) / 1.75
    np.testing.assert_allclose(losses["loss"], expected, rtol=1e-6)


@pytest.mark.parametrize("ignore_label", [None, 255])
def test_the_loss_of_a_time_step_is_that_of_the_finest_resolution(ignore_label):
    image, label = threshold_volumes(1)
    arguments = _THREE_LEVELS | _KINDS[1] | TWO_STEPS
    model = threshold_model(**arguments, ignore_label=ignore_label)
    # A single example draws one of the time steps; the other is logged as its mean.
    history = model.fit(image, label, batch_size=1, epochs=2, verbose=0).history
    finest = np.add(history["dice_loss"], history["cross_entropy"])
    for name in ("loss_t0", "loss_t1"):
        np.testing.assert_allclose(history[name], finest, rtol=1e-5)
    assert (np.abs(history["loss"] - finest) > 1e-4).all()


@pytest.mark.parametrize("kind", _KINDS, ids=str)
def test_every_weight_is_trained(kind):
    image, label = threshold_volumes(2)
    model = threshold_model(**_THREE_LEVELS, **kind)
    before = arrays(model.trainable_variables)
    model.fit(image, label, batch_size=2, epochs=3, verbose=0)
    after = arrays(model.trainable_variables)
    for variable, one, other in zip(
        model.trainable_variables, before, after, strict=True
    ):
        assert np.abs(one - other).max() > 0.0, variable.path


@pytest.mark.parametrize("kind", _KINDS, ids=str)
def test_a_result_does_not_depend_on_the_deep_heads(kind):
    image, _ = threshold_volumes(1)
    model = threshold_model(**_THREE_LEVELS, **kind)
    expected = model.predict(image, verbose=0)
    for weight in model.weights:
        if weight.path.startswith("deep_"):
            weight.assign(weight + 1.0)
    np.testing.assert_array_equal(model.predict(image, verbose=0), expected)


@pytest.mark.parametrize("kind", _KINDS, ids=str)
def test_all_resolutions_start_from_the_class_frequencies(kind):
    model = threshold_model(
        **_THREE_LEVELS, **kind, class_frequencies=[0.9, 0.09, 0.01]
    )
    for name in ("head", "deep_1_head", "deep_2_head"):
        bias = np.asarray(model.get_layer(name).bias)
        shares = np.exp(bias) / np.exp(bias).sum()
        np.testing.assert_allclose(shares, [0.9, 0.09, 0.01], rtol=1e-5)


def test_regions_and_a_learned_variance_may_be_supervised_deeply():
    image, label = threshold_volumes(2)
    model = threshold_model(
        **_THREE_LEVELS,
        **_KINDS[1],
        regions=[[1, 2], [2], [1]],
        model_variance="learned_range",
        variational_weight=0.001,
    )
    losses = model.fit(image, label, batch_size=2, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
