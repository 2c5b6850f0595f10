"""The 3D U-Net: shapes, dtypes, what sees what, and its arguments."""

import inspect
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.toy_network import (
    outputs_of,
    randomize_weights,
    toy_inputs,
    toy_unet,
)
from tf_diffseg.models import ResidualBlock3D, TimeEmbedding, UNet3D

_CHANGED = {
    "out_channels": 3,
    "image_channels": 2,
    "mask_channels": 4,
    "num_channels": (4, 6),
    "num_blocks": (2, 1),
    "kernel_size": (3, 1, 3),
    "patch_size": (2, 1, 1),
    "scale_factor": (2, 1, 2),
    "num_heads": 2,
    "skip": "concat",
    "dropout": 0.25,
    "remat": True,
    "norm": "channel",
    "mask_branch": (6,),
}


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 5, 3)])
def test_logits_have_the_volume_s_shape_and_float32(dtype, shape):
    network = toy_unet(out_channels=3, dtype=dtype)
    logits = network(toy_inputs(shape, batch_size=2))
    assert logits.shape == (2, *shape, 3)
    assert logits.dtype == tf.float32
    assert np.all(np.isfinite(logits))


def test_mixed_precision_computes_in_it_until_the_head():
    network = toy_unet(dtype="mixed_bfloat16")
    compute_dtypes = {layer.name: layer.compute_dtype for layer in network.layers}
    for name in ("stem", "encoder_0_0", "down_0", "bottom_attention", "up_0"):
        assert compute_dtypes[name] == "bfloat16"
    assert compute_dtypes["head"] == compute_dtypes["crop"] == "float32"
    assert all(weight.dtype == "float32" for weight in network.weights)


def test_global_policy_is_that_of_the_network():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = toy_unet()
    finally:
        keras.config.set_dtype_policy(before)
    assert network.get_layer("stem").compute_dtype == "bfloat16"
    assert network(toy_inputs((4, 4, 4))).dtype == tf.float32
    rebuilt = UNet3D.from_config(network.get_config())
    assert rebuilt.get_layer("stem").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 7, 5), (6, 1, 9), (5, 3, 1), (8, 4, 12), (9, 10, 11)]
)
def test_any_shape_is_padded_with_zeros_and_cropped(shape):
    network = toy_unet(num_channels=(4, 4, 8))
    randomize_weights(network)
    inputs = toy_inputs(shape)
    logits = outputs_of(network, inputs)
    assert logits.shape == (1, *shape, 2)

    padding = [(0, 0), *((0, -size % 4) for size in shape), (0, 0)]
    padded = {name: np.pad(inputs[name], padding) for name in ("image", "x_t")}
    whole = outputs_of(network, {**inputs, **padded})
    x, y, z = shape
    np.testing.assert_array_equal(logits, whole[:, :x, :y, :z])


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 7, 5), (1, 8, 3)])
@pytest.mark.parametrize("mask_channels", [0, 2])
@pytest.mark.parametrize("num_heads", [0, 4])
def test_a_graph_of_known_shapes_gives_the_eager_logits(
    shape, mask_channels, num_heads
):
    # TensorFlow's graph optimizer rewrites convolutions, and may take a padding
    # before them for their own.
    network = toy_unet(mask_channels=mask_channels, num_heads=num_heads)
    randomize_weights(network)
    inputs = toy_inputs(shape, mask_channels=mask_channels)
    logits = tf.function(network)(inputs)
    assert logits.numpy().shape == (1, *shape, 2)
    np.testing.assert_allclose(logits, outputs_of(network, inputs), atol=1e-5)


@pytest.mark.parametrize(
    "changes, multiple",
    [
        ({"kernel_size": (3, 3, 1), "scale_factor": (2, 2, 1)}, (2, 2, 1)),
        ({"patch_size": (2, 4, 1)}, (4, 8, 2)),
        ({"scale_factor": (4, 1, 3)}, (4, 1, 3)),
        ({"patch_size": (1, 2, 3), "scale_factor": (3, 2, 1)}, (3, 4, 3)),
        ({"num_channels": (4, 4, 8), "scale_factor": (2, 3, 1)}, (4, 9, 1)),
        ({"num_channels": (4,)}, (1, 1, 1)),
    ],
)
def test_anisotropic_network(changes, multiple):
    network = toy_unet(**changes)
    assert network.shape_multiple == multiple
    for shape in (multiple, (7, 5, 6)):
        logits = outputs_of(network, toy_inputs(shape))
        assert logits.shape == (1, *shape, 2)
        assert np.all(np.isfinite(logits))


def _changed_slices(network, axis, index=2):
    """Which slices along an axis change when those `index` of the inputs do."""
    randomize_weights(network)
    shape = (5, 5, 5)
    inputs = toy_inputs(shape)
    changed = {name: array.copy() for name, array in inputs.items()}
    for name in ("image", "x_t"):
        np.moveaxis(changed[name], 1 + axis, 0)[index] += 3.0
    difference = np.abs(outputs_of(network, changed) - outputs_of(network, inputs))
    other_axes = tuple(other for other in range(5) if other != 1 + axis)
    return list(np.flatnonzero(difference.max(axis=other_axes)))


def _with_one_at(axis, size):
    return tuple(1 if other == axis else size for other in range(3))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_kernel_and_scale_of_one_keep_slices_apart(axis):
    sizes = {
        "kernel_size": _with_one_at(axis, 3),
        "scale_factor": _with_one_at(axis, 2),
    }
    assert _changed_slices(toy_unet(**sizes), axis) == [2]
    # With a patch of more than one voxel across the slice, and without heads.
    sizes["patch_size"] = _with_one_at(axis, 2)
    assert _changed_slices(toy_unet(**sizes, num_heads=0), axis) == [2]


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"kernel_size": (3, 3, 1)},
        {"kernel_size": (3, 3, 1), "scale_factor": (2, 2, 1), "patch_size": (1, 1, 2)},
    ],
)
def test_a_network_that_mixes_slices_mixes_all(sizes):
    # Its norms see the whole volume.
    assert _changed_slices(toy_unet(**sizes), axis=2) == [0, 1, 2, 3, 4]


def test_slice_wise_network_gives_a_slice_what_it_gives_it_alone():
    network = toy_unet(kernel_size=(3, 3, 1), scale_factor=(2, 2, 1))
    randomize_weights(network)
    inputs = toy_inputs((7, 6, 4))
    whole = outputs_of(network, inputs)
    for z in range(4):
        one = {name: inputs[name][..., z : z + 1, :] for name in ("image", "x_t")}
        alone = outputs_of(network, {**inputs, **one})
        np.testing.assert_allclose(alone, whole[..., z : z + 1, :], atol=1e-5)


@pytest.mark.parametrize("skip, channels", [("add", 4), ("concat", 8)])
def test_skips_reach_the_way_up(skip, channels):
    network = toy_unet(skip=skip)
    assert network.get_layer("decoder_0_0").conv_in.kernel.shape[-2] == channels
    # With nothing coming up, the logits still see the finest features.
    network.get_layer("up_0").kernel.assign(
        np.zeros(network.get_layer("up_0").kernel.shape)
    )
    first, second = (toy_inputs((4, 4, 4), seed=seed) for seed in (0, 1))
    assert np.any(outputs_of(network, first) != outputs_of(network, second))


def test_without_a_mask_there_is_no_time():
    network = toy_unet(mask_channels=0)
    assert [tensor.name for tensor in network.inputs] == ["image"]
    assert not any(isinstance(layer, TimeEmbedding) for layer in network.layers)
    assert not any("modulation" in weight.path for weight in network.weights)
    logits = network(toy_inputs((5, 4, 3), mask_channels=0))
    assert logits.shape == (1, 5, 4, 3, 2)


def test_a_new_network_treats_all_times_alike():
    network = toy_unet()
    inputs = toy_inputs((4, 4, 4))
    late, early = (
        outputs_of(network, {**inputs, "t": np.array([t], np.float32)})
        for t in (1.0, 0.2)
    )
    np.testing.assert_array_equal(late, early)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_times_are_told_apart_once_the_modulation_is_not_zero(dtype):
    network = toy_unet(dtype=dtype)
    randomize_weights(network)
    inputs = toy_inputs((4, 4, 4))
    # The two last of 1001 times: both are 1.0 in bfloat16.
    late, early = (
        outputs_of(network, {**inputs, "t": np.array([t], np.float32)})
        for t in (1.0, 1000 / 1001)
    )
    assert np.abs(late - early).max() > 0.01


def test_time_reaches_every_block():
    network = toy_unet()
    blocks = [layer for layer in network.layers if isinstance(layer, ResidualBlock3D)]
    # One on the way down, two at the bottom, one on the way up.
    assert len(blocks) == 4
    assert all(block.norm_layer.modulation is not None for block in blocks)


def test_examples_of_a_batch_do_not_see_one_another():
    network = toy_unet()
    randomize_weights(network)
    inputs = toy_inputs((5, 4, 3), batch_size=3)
    together = outputs_of(network, inputs)
    for index in range(3):
        one = {name: array[index : index + 1] for name, array in inputs.items()}
        np.testing.assert_allclose(
            outputs_of(network, one)[0], together[index], atol=1e-5
        )


@pytest.mark.parametrize("changes", [{}, {"skip": "concat"}, {"mask_channels": 0}])
def test_gradient_reaches_every_weight(changes):
    network = toy_unet(**changes)
    # Zero modulation would stop the gradient on its way to the time embedding.
    randomize_weights(network)
    inputs = toy_inputs((4, 4, 4), 2, mask_channels=changes.get("mask_channels", 2))
    target = np.random.default_rng(3).normal(size=(2, 4, 4, 4, 2))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(inputs, training=True) * target)
    gradients = tape.gradient(loss, network.trainable_variables)
    for weight, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        # A softmax over keys does not change when all keys are shifted alike.
        if not weight.path.endswith("key/bias"):
            assert np.abs(gradient).max() > 1e-7, weight.path


def test_every_argument_comes_back_from_the_config():
    parameters = inspect.signature(UNet3D.__init__).parameters
    own = set(parameters) - {"self", "kwargs"}
    assert set(_CHANGED) == own
    for name in own:
        assert _CHANGED[name] != parameters[name].default, f"{name} has its default"

    network = UNet3D(**_CHANGED, name="network", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(network)))
    rebuilt = keras.saving.deserialize_keras_object(config)
    assert rebuilt.get_config() == network.get_config()
    assert rebuilt.name == "network"
    assert rebuilt.dtype_policy.name == "mixed_bfloat16"
    for name, value in _CHANGED.items():
        assert getattr(rebuilt, name) == value, name
    shapes = [[tuple(w.shape) for w in net.weights] for net in (network, rebuilt)]
    assert shapes[0] == shapes[1]
    assert rebuilt.get_layer("decoder_0_1").dropout == 0.25


def test_blocks_at_each_resolution():
    network = toy_unet(num_channels=(4, 4, 8))
    assert network.num_blocks == (1, 2, 2)
    names = {layer.name for layer in network.layers}
    blocks = itertools.product(("encoder", "decoder"), range(3), range(2))
    found = {block for block in blocks if "{}_{}_{}".format(*block) in names}
    assert {"bottom_0", "bottom_1"} <= names and "bottom_2" not in names
    assert found == {
        *(("encoder", level, index) for level, index in [(0, 0), (1, 0), (1, 1)]),
        *(("decoder", level, index) for level, index in [(0, 0), (1, 0), (1, 1)]),
    }


def test_no_heads_is_no_attention():
    names = {layer.name for layer in toy_unet(num_heads=0).layers}
    assert "bottom_attention" not in names
    assert "bottom_attention" in {layer.name for layer in toy_unet().layers}


@pytest.mark.parametrize(
    "argument, value",
    [
        ("out_channels", 0),
        ("image_channels", 0),
        ("mask_channels", -1),
        ("num_channels", ()),
        ("num_channels", (4, 0)),
        ("num_blocks", (1,)),
        ("num_blocks", (1, 0)),
        ("kernel_size", (3, 3)),
        ("kernel_size", (3, 3, 0)),
        ("patch_size", (1, 1, 1, 1)),
        ("patch_size", (0, 1, 1)),
        ("scale_factor", (2,)),
        ("scale_factor", (2, -2, 2)),
        ("num_heads", -1),
        ("num_heads", 3),
        ("skip", "multiply"),
        ("dropout", -0.1),
        ("dropout", 1.5),
    ],
)
def test_wrong_argument_is_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument}"):
        toy_unet(**{argument: value})


def test_channels_that_a_shape_does_not_tell_are_no_groups():
    # Keras would have XLA compile the first convolution, for all that it is slow.
    network = UNet3D(3, image_channels=2, mask_channels=3, num_channels=(4, 8))
    volume = tf.TensorSpec([None] * 5, tf.float32)
    inputs = {"image": volume, "x_t": volume, "t": tf.TensorSpec([None], tf.float32)}
    traced = tf.function(network).get_concrete_function(inputs)
    functions = traced.graph.as_graph_def().library.function
    assert not [f.signature.name for f in functions if "_XlaMustCompile" in f.attr]
    values = {
        "image": tf.random.stateless_normal([1, 8, 8, 8, 2], [0, 1]),
        "x_t": tf.random.stateless_normal([1, 8, 8, 8, 3], [0, 2]),
        "t": tf.constant([0.5]),
    }
    np.testing.assert_allclose(traced(values), network(values), atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mask_branch": (4,)},
        {"mask_branch": (4, 6), "num_channels": (4, 8, 8), "dropout": 0.2},
        {"mask_branch": (4,), "patch_size": (2, 2, 1), "kernel_size": (3, 3, 1)},
        {"mask_branch": (4,), "dtype": "mixed_bfloat16", "norm": "channel"},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 5, 3)])
def test_encoding_and_denoising_is_the_call(changes, shape):
    network = toy_unet(**changes)
    randomize_weights(network)
    inputs = toy_inputs(shape, batch_size=2)
    features = network.encode(inputs["image"])
    logits = network.denoise(features, inputs["x_t"], inputs["t"])
    np.testing.assert_array_equal(logits, network(inputs))
    other = network.denoise(features, inputs["x_t"], inputs["t"] / 2)
    assert np.abs(other - logits).max() > 0.0


def test_the_image_branch_knows_no_mask_and_is_counted_once():
    network = toy_unet(mask_branch=(4,))
    inputs = toy_inputs((4, 4, 4))
    randomize_weights(network)
    names = [weight.path for weight in network.weights]
    assert len(names) == len(set(names)) == len(network.weights)
    rebuilt = UNet3D.from_config(network.get_config())
    rebuilt.set_weights(network.get_weights())
    np.testing.assert_array_equal(rebuilt(inputs), network(inputs))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mask_branch": (4, 4)}, "mask_branch must be up to 1 positive integers"),
        ({"mask_branch": (0,)}, "mask_branch must be up to 1 positive integers"),
        ({"mask_branch": (4,), "mask_channels": 0}, "mask_branch needs mask_channels"),
    ],
)
def test_refuses_a_mask_branch_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        toy_unet(**changes)
