"""The train step learns, draws anew at each step, and reports what it did."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    TWO_LEVELS,
    batch_of_step,
    threshold_model,
    threshold_volumes,
    toy_model,
    toy_volumes,
)
from tf_diffseg.training.flops import graph_flops
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.step_draws import step_seeds


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                {"strategy": "supervised"},
                {"strategy": "diffusion"},
                {"timestep_sampling": "loss"},
                {"strategy": "recycling_from_last_by_reverse_step"},
                {"strategy": "self_conditioning_from_next"},
                {"sampler": "ddpm"},
                {"focal_weight": 1.0, "dice_weight": 0.0, "cross_entropy_weight": 0.0},
            )
        ),
    ],
    ids=str,
)
def test_learns_a_threshold(arguments):
    image, label = threshold_volumes()
    model = threshold_model(**TWO_LEVELS, **arguments)
    before = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    model.fit(image, label, batch_size=2, epochs=45, verbose=0)
    after = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert before["dice"] < 0.7
    assert after["dice"] > 0.95
    names = {"loss", "dice", "dice_class_1", "dice_class_2"}
    if arguments.get("strategy") != "supervised":
        names |= {f"dice_step_{step}" for step in range(1, 6)}
    assert set(after) == names


def test_loss_on_predicted_noise_falls():
    image, label = threshold_volumes()
    model = threshold_model(**TWO_LEVELS, strategy="diffusion", model_output="noise")
    losses = model.fit(image, label, batch_size=4, epochs=30, verbose=0).history["loss"]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.slow
def test_learns_beside_a_variance():
    # More epochs: the bound's gradient disturbs the layers that both share.
    image, label = threshold_volumes()
    variance = {"model_variance": "learned_range", "variational_weight": 1e-4}
    two_levels = TWO_LEVELS | {"num_blocks": (1, 2)}
    model = threshold_model(**two_levels, **variance, sampler="ddpm")
    history = model.fit(image, label, batch_size=2, epochs=110, verbose=0).history
    bounds = history["variational_bound"]
    assert np.mean(bounds[-10:]) < 0.5 * np.mean(bounds[:10])
    scores = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert scores["dice"] > 0.95


@pytest.mark.slow
def test_learns_overlapping_classes():
    image, label = threshold_volumes()
    regions = [[1, 2], [2]]
    model = toy_model(keras.optimizers.Adam(1e-2), **TWO_LEVELS, regions=regions)
    model.fit(image, label, batch_size=2, epochs=40, verbose=0)
    scores = model.evaluate(image, label, batch_size=2, return_dict=True, verbose=0)
    assert scores.pop("loss") < 0.5
    assert {"dice", "dice_class_0", "dice_class_1"} < set(scores)
    assert min(scores.values()) > 0.95
    probabilities = model.predict(image, batch_size=2, verbose=0)
    for region, class_probabilities in zip(
        regions, np.moveaxis(probabilities, -1, 0), strict=True
    ):
        is_region = np.isin(label, region)
        assert ((class_probabilities > 0.5) == is_region).mean() > 0.95


def test_starts_from_the_class_frequencies():
    frequencies = [0.9, 0.08, 0.02]
    # From an empty image the network knows nothing else.
    image = np.zeros([1, 8, 8, 8, 1], np.float32)
    model = threshold_model(strategy="supervised", class_frequencies=frequencies)
    probabilities = model.predict(image, verbose=0)
    mean = probabilities.mean(axis=(0, 1, 2, 3))
    np.testing.assert_allclose(mean, frequencies, rtol=1e-4)


def test_draws_steps_by_the_losses_of_all_examples():
    image, label = threshold_volumes()
    model = threshold_model(timestep_sampling="loss")
    model.fit(image, label, batch_size=4, epochs=30, verbose=0)
    counts = model._loss_counts.numpy()
    assert counts.sum() == 30 * 4
    assert (counts >= model.timestep_sampler.history_per_step).all()
    probabilities = model._timestep_probabilities().numpy()
    assert probabilities.max() - probabilities.min() > 0.01
    np.testing.assert_allclose(probabilities.sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{}, {"strategy": "supervised", "dropout": 0.5}], ids=str
)
def test_steps_and_seeds_differ_and_a_step_is_repeated_exactly(arguments):
    def losses(seed):
        # The weights stay as they are, so only the draws differ.
        model = threshold_model(keras.optimizers.SGD(0.0), seed=seed, **arguments)
        losses = []
        for _ in range(3):
            model.reset_metrics()
            losses.append(float(model.train_step(batch_of_step(0, 3))["loss"]))
        return losses

    first = losses(seed=0)
    assert len(set(first)) == 3
    assert losses(seed=0) == first
    assert losses(seed=1) != first


def test_reports_the_loss_of_each_time_step():
    # The loss is their mean, weighed by how often a step was drawn.
    image, label = threshold_volumes()
    model = threshold_model(keras.optimizers.SGD(0.0))
    history = model.fit(image, label, batch_size=4, epochs=1, verbose=0).history
    (loss,) = history["loss"]
    seeds = step_seeds(model.seed, tf.constant(0))
    drawn, _ = model.timestep_sampler.sample(
        seeds.timesteps, 4, model.timestep_sampler.probabilities()
    )
    counts = np.bincount(drawn, minlength=5)
    by_step = np.array([history[f"loss_t{step}"][0] for step in range(5)])
    assert (counts == 0).any()
    np.testing.assert_allclose(by_step[counts == 0], loss, rtol=1e-5)
    assert np.sum(by_step * counts) / 4 == pytest.approx(loss, rel=1e-5)
    assert len(set(by_step[counts > 0])) > 1


@pytest.mark.parametrize(
    "dtype", ["mixed_float16", pytest.param("float32", marks=pytest.mark.slow)]
)
def test_reports_the_norm_of_the_gradient_before_it_is_clipped(dtype):
    image, label = threshold_volumes(2)
    arguments = {"dtype": dtype, "strategy": "supervised"}
    clipped = threshold_model(KernelDecayAdamW(0.0, global_clipnorm=1e-3), **arguments)
    (norm,) = clipped.fit(image, label, verbose=0).history["gradient_norm"]
    model = threshold_model(keras.optimizers.SGD(1.0), **arguments)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    (norm_of_other,) = model.fit(image, label, verbose=0).history["gradient_norm"]
    assert norm_of_other == norm
    steps = [
        np.sum(np.square(np.asarray(variable) - start))
        for variable, start in zip(model.trainable_variables, before, strict=True)
    ]
    assert norm == pytest.approx(np.sqrt(np.sum(steps)), rel=1e-3)


@pytest.mark.parametrize("kind", ["uint8", "float32", "dict", "dataset of dicts"])
def test_labels_may_have_any_type_and_a_channel_axis_and_lie_in_a_dict(kind):
    image, label = toy_volumes()

    def losses(*data):
        model = threshold_model(strategy="supervised")
        model.run_eagerly = True
        return model.fit(*data, verbose=0, shuffle=False).history

    given = {"image": image, "label": label[..., np.newaxis]}
    if kind == "dict":
        found = losses(given)
    elif kind == "dataset of dicts":
        found = losses(tf.data.Dataset.from_tensors(given))
    else:
        found = losses(image, given["label"].astype(kind))
    assert found == losses(image, label)


@pytest.mark.slow
@pytest.mark.parametrize("mask_output", ["features", "logits"])
def test_recycling_adds_one_light_pass_without_gradient(mask_output):
    image, label = threshold_volumes(1)
    options = {**TWO_LEVELS, "mask_branch": (4,), "mask_output": mask_output}
    flops = {}
    for strategy in ("recycling", "diffusion"):
        model = threshold_model(**options, strategy=strategy)
        step = tf.function(lambda model=model: model.train_step((image, label)))
        flops[strategy] = graph_flops(step.get_concrete_function().graph)
    x_t = tf.zeros([*image.shape[:4], model.num_classes])
    features = model.encode(image)
    light = tf.function(lambda: model.denoise(features, x_t, tf.constant([0.4])))
    light_flops = graph_flops(light.get_concrete_function().graph)
    assert flops["recycling"] - flops["diffusion"] == light_flops > 0
