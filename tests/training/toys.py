"""Models, batches and comparisons that the tests of training share."""

import keras
import numpy as np
import tensorflow as tf

from tf_diffseg.training.flat_network import flat_network

SMALL = {"num_channels": (4,), "num_blocks": (1,), "num_heads": 0}
TWO_LEVELS = {"num_channels": (4, 8), "num_blocks": (1, 1), "num_heads": 2}
# Tracing an evaluation takes time for each step.
TWO_STEPS = {"num_timesteps": 2, "num_timesteps_beta": 2}


def toy_model(optimizer="adam", num_classes=2, compiled=None, **arguments):
    """A compiled model of a few channels, whose weights are the same at each call.

    Args:
        optimizer: a Keras optimizer or its name.
        num_classes: number of classes.
        compiled: dict of further arguments of `compile`.
        **arguments: those of `flat_network`.
    """
    keras.utils.set_random_seed(1)
    model = flat_network(num_classes, **SMALL | arguments)
    model.compile(optimizer, **compiled or {})
    return model


def toy_volumes(num_examples=2, num_classes=3):
    """Images of 64 voxels whose intensities are the class ids, and their labels."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, num_classes, [num_examples, 4, 4, 4])
    return label[..., np.newaxis].astype(np.float32), label


def threshold_volumes(num_examples=4):
    """Volumes of 512 voxels that a threshold segments: -1, 0 and 1 are the classes."""
    label = np.random.default_rng(0).integers(0, 3, [num_examples, 2, 2, 2])
    label = label.repeat(4, axis=1).repeat(4, axis=2).repeat(4, axis=3)
    return label[..., np.newaxis].astype(np.float32) - 1.0, label


def threshold_model(optimizer=None, **arguments):
    """`toy_model` of the classes of `threshold_volumes`."""
    return toy_model(optimizer or keras.optimizers.Adam(1e-2), 3, **arguments)


def batch_of_step(step, num_classes=2, size=4):
    """The batch of two cubes of `size` voxels a side that a step takes."""
    label = tf.random.stateless_uniform(
        [2, size, size, size], [step, 0], 0, num_classes, tf.int32
    )
    return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}


def batches_from(epoch, step, context, steps_per_epoch, **kwargs):
    """An infinite dataset of `batch_of_step` from a place in a run on."""
    del context
    first = epoch * steps_per_epoch + step
    steps = tf.data.Dataset.range(first, tf.int64.max)
    return steps.map(lambda number: batch_of_step(number, **kwargs))


def validation_batches(count, **kwargs):
    """A dataset of the first batches of `batch_of_step`."""
    return tf.data.Dataset.range(count).map(lambda step: batch_of_step(step, **kwargs))


def arrays(variables):
    """The values of variables, as they are now."""
    return [np.asarray(variable) for variable in variables]


def assert_equal(found, expected):
    """Asserts that two lists of arrays or variables are equal bit for bit."""
    for one, other in zip(found, expected, strict=True):
        name = getattr(one, "path", "")
        np.testing.assert_array_equal(one, other, err_msg=name)


def assert_close(found, expected, rtol=1e-4, atol=1e-6):
    """Asserts that two lists of arrays or variables are nearly equal."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)
