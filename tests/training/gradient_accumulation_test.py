import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.devices import mirrored_strategy
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.gradient_accumulation import accumulate_gradients


def _train(accumulation_steps, **kwargs):
    """Losses and weights after two steps of four examples."""
    keras.utils.set_random_seed(0)
    with mirrored_strategy(["CPU:0"]).scope():
        model = DiffusionUNet3D(2, num_channels=(4,), num_heads=0, **kwargs)
        model.compile(keras.optimizers.SGD(0.1), accumulation_steps=accumulation_steps)
    label = np.random.default_rng(0).integers(0, 2, (8, 4, 4, 4))
    dataset = tf.data.Dataset.from_tensor_slices(
        {"image": label[..., np.newaxis].astype(np.float32), "label": label}
    )
    history = model.fit(dataset.batch(4), shuffle=False, verbose=0).history
    return history["loss"], [np.asarray(v) for v in model.trainable_variables]


def test_parts_of_a_batch_train_as_the_whole():
    loss, weights = _train(1, timestep_sampling="loss")
    loss_in_parts, weights_in_parts = _train(4, timestep_sampling="loss")
    np.testing.assert_allclose(loss_in_parts, loss, rtol=1e-5)
    for whole, in_parts in zip(weights, weights_in_parts, strict=True):
        np.testing.assert_allclose(in_parts, whole, rtol=1e-4, atol=1e-6)


def test_parts_drop_different_features():
    """Equal examples in both parts: with the same dropout they had equal losses."""
    model = DiffusionUNet3D(
        2, num_channels=(4,), num_heads=0, strategy="supervised", dropout=0.5
    )
    model.compile(keras.optimizers.SGD(0.0), accumulation_steps=2)
    label = np.random.default_rng(0).integers(0, 2, (1, 8, 8, 8)).repeat(2, axis=0)
    image = tf.constant(label[..., np.newaxis], tf.float32)
    mask = tf.one_hot(label, 2)
    draws = tf.zeros([2], tf.int32), tf.ones([2]), tf.zeros([2], tf.int32)
    seed = tf.constant([1, 2])
    losses = [
        model._gradients_and_losses(seed, part, (image, mask, *draws))[1]["loss"]
        for part in (0, 0, 1)
    ]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.all(np.asarray(losses[0]) != np.asarray(losses[2]))


def test_a_batch_that_does_not_divide_is_named():
    message = "accumulation_steps=3 does not divide the examples"
    with pytest.raises(ValueError, match=message):
        accumulate_gradients(None, (tf.zeros([4, 1]),), 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _train(3)  # Where the size of a batch is known at its arrival alone.
    with pytest.raises(ValueError, match="accumulation_steps must be at least 1"):
        _train(0)
