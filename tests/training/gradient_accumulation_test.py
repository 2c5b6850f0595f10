import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.flat_network import flat_network


def _train(accumulation_steps, **kwargs):
    """Losses and weights after two steps of four examples."""
    keras.utils.set_random_seed(0)
    with mirrored_strategy(["CPU:0"]).scope():
        model = flat_network(2, num_channels=(4,), num_heads=0, **kwargs)
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


@pytest.mark.parametrize("num_parts", [3, 5])
def test_parts_may_be_of_unequal_numbers_of_examples(num_parts):
    """Four examples and five parts: one part has none."""
    arguments = {"timestep_sampling": "loss", "dropout": 0.3}
    loss, weights = _train(1, **arguments)
    loss_in_parts, weights_in_parts = _train(num_parts, **arguments)
    np.testing.assert_allclose(loss_in_parts, loss, rtol=1e-5)
    for whole, in_parts in zip(weights, weights_in_parts, strict=True):
        np.testing.assert_allclose(in_parts, whole, rtol=1e-4, atol=1e-6)


def test_a_number_of_parts_below_one_is_named():
    with pytest.raises(ValueError, match="accumulation_steps .* at least 1, got 0"):
        _train(0)
