"""Convolutions in half precision give what float32 gives, however few the voxels."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.models.convolutions import Conv3D, Conv3DTranspose

# Of 1 and 2 voxels along each axis, and of neither.
_SHAPES = [*itertools.product((1, 2, 5), repeat=3)]
_LAYERS = {
    "same": lambda **options: Conv3D(8, 3, padding="same", **options),
    "down": lambda **options: Conv3D(8, 2, 2, padding="same", **options),
    "down in plane": lambda **o: Conv3D(8, (2, 2, 1), (2, 2, 1), padding="same", **o),
    "up": lambda **options: Conv3DTranspose(8, 2, 2, padding="same", **options),
}


def _fill_memory():
    """What is computed from memory that was not written is seen to be wrong."""
    for size in (100, 1000, 3000):
        del [np.full(size, 3e34, np.float32) for _ in range(50)][:]


def _output_and_gradients(layer, volume):
    volume = tf.Variable(volume)
    with tf.GradientTape() as tape:
        output = layer(volume)
        loss = tf.reduce_sum(tf.cast(output, tf.float32) ** 2)
    return output, *tape.gradient(loss, [volume, layer.kernel])


@pytest.mark.parametrize("name", _LAYERS)
@pytest.mark.parametrize("channels", [1, 8])
def test_half_precision_gives_nearly_what_float32_gives(name, channels):
    half = _LAYERS[name](dtype="mixed_bfloat16", use_bias=False)
    single = _LAYERS[name](dtype="float32", use_bias=False)
    rng = np.random.default_rng(0)
    for shape in _SHAPES:
        volume = rng.normal(size=(2, *shape, channels)).astype(np.float32)
        single(volume), half(volume)
        half.set_weights(single.get_weights())
        _fill_memory()
        found = _output_and_gradients(half, volume)
        for one, other in zip(
            found, _output_and_gradients(single, volume), strict=True
        ):
            error = np.abs(np.asarray(one, np.float32) - np.asarray(other))
            assert error.max() <= 0.05 * np.abs(other).max(), (shape, error.max())


@pytest.mark.parametrize("layer", [Conv3D(4, 3), Conv3DTranspose(4, 2, 2)])
@pytest.mark.parametrize(
    "shape, dtype, expected",
    [
        ((3, 9, 5), "bfloat16", "bfloat16"),
        ((2, 9, 5), "bfloat16", "float32"),
        ((9, 5, 1), "bfloat16", "float32"),
        ((2, 9, 5), "float16", "float16"),
        ((None, None, None), "bfloat16", "bfloat16"),
    ],
)
def test_only_small_volumes_of_bfloat16_are_computed_in_float32(
    layer, shape, dtype, expected
):
    config = layer.get_config() | {"dtype": f"mixed_{dtype}", "padding": "same"}
    layer = type(layer).from_config(config | {"use_bias": False})
    layer.build((None, None, None, None, 1))
    step = tf.function(lambda volume: layer(volume))
    graph = step.get_concrete_function(tf.TensorSpec([2, *shape, 1], dtype)).graph
    kinds = ("Conv3D", "Conv3DBackpropInputV2")
    (convolution,) = (op for op in graph.get_operations() if op.type in kinds)
    assert convolution.outputs[0].dtype == expected
    assert graph.outputs[0].dtype == dtype
