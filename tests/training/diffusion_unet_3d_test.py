"""A network of diffusion samples, scores each reverse step, and is saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    SMALL,
    TWO_LEVELS,
    assert_equal,
    threshold_model,
    threshold_volumes,
)
from tf_diffseg.diffusion import DDIMSampler, EarlyExitSampler
from tf_diffseg.metrics import StreamingDice
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D


@pytest.fixture(scope="module")
def untrained():
    """A model for tests that do not train."""
    return threshold_model()


def test_predict_depends_only_on_image_and_seed(untrained):
    image, _ = threshold_volumes()
    probabilities = untrained.predict(image, batch_size=4, verbose=0)
    assert probabilities.shape == (*image.shape[:4], 3)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)
    alone = untrained.predict(image[2:3], verbose=0)
    np.testing.assert_allclose(alone[0], probabilities[2], rtol=1e-4, atol=1e-6)
    seed = np.ones(len(image), np.int32)
    other = untrained.predict({"image": image, "seed": seed}, verbose=0)
    assert np.abs(other - probabilities).max() > 1e-3


@pytest.mark.parametrize("num_samples", [None, 2])
def test_probabilities_of_a_network_of_noise_sum_to_one(num_samples):
    image, _ = threshold_volumes(2)
    model = threshold_model(strategy="diffusion", model_output="noise")
    shape = [2] if num_samples is None else [2, num_samples]
    seed = tf.reshape(tf.range(np.prod(shape)), shape)
    image = tf.constant(image)
    for sample in (model.sample, model.sample_trajectory):
        probabilities = sample(image, seed)
        # What is 0 for each class stays so.
        total = probabilities.numpy().sum(axis=-1)
        assert ((np.abs(total - 1.0) < 1e-5) | (total == 0.0)).all()
        assert (total > 0.0).mean() > 0.5


def test_steps_that_may_not_be_run_have_no_score():
    image, label = threshold_volumes(2)
    model = threshold_model()
    model.sampler = EarlyExitSampler(model.sampler, 0.5)
    scores = model.evaluate(image, label, return_dict=True, verbose=0)
    assert "dice" in scores
    assert not [name for name in scores if name.startswith("dice_step")]
    assert set(scores) == set(model.metrics_names)


def test_last_step_of_the_trajectory_is_the_sample(untrained):
    image, _ = threshold_volumes(2)
    seed = tf.constant([3, 4])
    trajectory = untrained.sample_trajectory(tf.constant(image), seed)
    assert trajectory.shape == (5, *image.shape[:4], 3)
    sample = untrained.sample(tf.constant(image), seed)
    np.testing.assert_array_equal(trajectory[-1], sample)


@pytest.mark.parametrize("arguments", [{}, {"regions": [[1, 2], [2], [1]]}], ids=str)
def test_dice_of_each_reverse_step_is_that_of_the_trajectory(arguments):
    image, label = threshold_volumes(2)
    model = threshold_model(**arguments)
    scores = model.evaluate(image, label, batch_size=1, return_dict=True, verbose=0)
    seed = tf.zeros([2], tf.int32)
    trajectory = model.sample_trajectory(tf.constant(image), seed).numpy()
    for step, probabilities in enumerate(trajectory, 1):
        if arguments:
            masks = np.stack([np.isin(label, ids) for ids in model.regions], axis=-1)
            metric = StreamingDice(3, include_background=True, from_masks=True)
            metric.update_state(masks, probabilities > 0.5)
        else:
            metric = StreamingDice(3)
            metric.update_state(label, probabilities.argmax(axis=-1))
        expected = float(metric.result())
        assert scores[f"dice_step_{step}"] == pytest.approx(expected, abs=1e-3)
    assert len({scores[f"dice_step_{step}"] for step in range(1, 6)}) > 1
    assert scores["dice_step_5"] == pytest.approx(scores["dice"], abs=1e-6)


def test_a_sampler_of_other_steps_is_scored_only_at_its_end():
    image, label = threshold_volumes(2)
    model = threshold_model()
    model.sampler = DDIMSampler(model.diffusion.respaced(3))
    scores = model.evaluate(image, label, return_dict=True, verbose=0)
    assert set(scores) == {"loss", "dice", "dice_class_1", "dice_class_2"}


def test_saves_and_goes_on_training_as_if_never_saved(tmp_path):
    image, label = threshold_volumes()
    model = threshold_model(keras.optimizers.AdamW(1e-2))
    model.fit(image, label, batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is DiffusionUNet3D
    assert loaded.get_config() == model.get_config()
    for each in (model, loaded):
        each.fit(image, label, batch_size=2, shuffle=False, verbose=0)
    assert_equal(loaded.weights, model.weights)


def test_an_uncompiled_model_is_saved(tmp_path):
    model = DiffusionUNet3D(3, **SMALL)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    image, _ = threshold_volumes(1)
    np.testing.assert_array_equal(
        model.predict(image, verbose=0), loaded.predict(image, verbose=0)
    )


@pytest.mark.parametrize(
    "strategy",
    ["recycling", pytest.param("self_conditioning", marks=pytest.mark.slow)],
)
def test_a_network_of_two_branches_sees_the_image_once(strategy, monkeypatch, tmp_path):
    image, label = threshold_volumes(2)
    options = {**TWO_LEVELS, "mask_branch": (4,), "dropout": 0.1}
    model = threshold_model(**options, strategy=strategy)
    model.fit(image, label, batch_size=2, verbose=0)
    calls = []
    for name in ("image_model", "mask_model"):
        branch = getattr(model._branches, name)

        def counted(*args, name=name, branch=branch, **kwargs):
            calls.append(name)
            return branch(*args, **kwargs)

        monkeypatch.setattr(model._branches, name, counted)
    trajectory = model.sample_trajectory(tf.constant(image), tf.constant([0, 0]))
    assert calls.count("image_model") == 1 and "mask_model" in calls
    assert trajectory.shape[0] == 5
    samples = model.sample(image, tf.constant([[0, 5], [0, 6]]))
    assert calls.count("image_model") == 2
    np.testing.assert_array_equal(samples[..., 0, :], trajectory[-1])
    np.testing.assert_array_equal(samples[..., 1, :], model.sample(image, [5, 6]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # A graph rounds sums differently.
    np.testing.assert_allclose(
        loaded.predict(image, verbose=0), trajectory.numpy()[-1], atol=1e-5
    )
