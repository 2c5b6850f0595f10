"""The 3D U-Net: shapes, dtypes, what each voxel sees, and its arguments."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.toy_network import (
    outputs_of,
    random_unet,
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
    "mask_output": "logits",
    "deep_supervision": 1,
}


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_logits_have_the_shape_of_the_volume_and_float32(dtype):
    logits = random_unet(dtype=dtype)(toy_inputs((7, 5, 3), batch_size=2))
    assert logits.shape == (2, 7, 5, 3, 2)
    assert logits.dtype == tf.float32
    assert np.all(np.isfinite(logits))


def test_mixed_precision_is_used_until_the_head():
    network = random_unet(dtype="mixed_bfloat16")
    compute_dtypes = {layer.name: layer.compute_dtype for layer in network.layers}
    for name in ("stem", "encoder_0_0", "down_0", "bottom_attention", "up_0"):
        assert compute_dtypes[name] == "bfloat16"
    assert compute_dtypes["head"] == compute_dtypes["crop"] == "float32"
    assert all(weight.dtype == "float32" for weight in network.weights)


def test_the_network_takes_the_global_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = toy_unet()
    finally:
        keras.config.set_dtype_policy(before)
    rebuilt = UNet3D.from_config(network.get_config())
    for each in (network, rebuilt):
        assert each.get_layer("stem").compute_dtype == "bfloat16"
        assert each.get_layer("head").compute_dtype == "float32"


@pytest.mark.parametrize("shape", [(1, 7, 5), (5, 3, 1), (8, 4, 12), (9, 10, 11)])
def test_any_shape_is_padded_with_zeros_and_cropped(shape):
    network = random_unet(num_channels=(4, 4, 8))
    inputs = toy_inputs(shape)
    logits = outputs_of(network, inputs)
    assert logits.shape == (1, *shape, 2)

    padding = [(0, 0), *((0, -size % 4) for size in shape), (0, 0)]
    padded = {name: np.pad(inputs[name], padding) for name in ("image", "x_t")}
    whole = outputs_of(network, {**inputs, **padded})
    x, y, z = shape
    np.testing.assert_array_equal(logits, whole[:, :x, :y, :z])


@pytest.mark.parametrize(
    "shape, mask_channels, num_heads",
    [((8, 8, 8), 2, 4), ((9, 7, 5), 2, 0), ((9, 7, 5), 0, 4), ((1, 8, 3), 0, 0)],
)
def test_a_graph_of_known_shapes_gives_the_eager_logits(
    shape, mask_channels, num_heads
):
    # TensorFlow's graph optimizer rewrites convolutions, and may merge a padding before
    # a convolution into it.
    network = random_unet(mask_channels=mask_channels, num_heads=num_heads)
    inputs = toy_inputs(shape, mask_channels=mask_channels)
    logits = tf.function(network)(inputs)
    assert logits.numpy().shape == (1, *shape, 2)
    np.testing.assert_allclose(logits, outputs_of(network, inputs), atol=1e-5)


@pytest.mark.parametrize(
    "changes, multiple",
    [
        ({"kernel_size": (3, 3, 1), "scale_factor": (2, 2, 1)}, (2, 2, 1)),
        ({"patch_size": (1, 2, 3), "scale_factor": (3, 2, 1)}, (3, 4, 3)),
        ({"num_channels": (4, 4, 8), "scale_factor": (2, 3, 1)}, (4, 9, 1)),
        ({"num_channels": (4,)}, (1, 1, 1)),
    ],
)
def test_anisotropic_network(changes, multiple):
    network = random_unet(**changes)
    assert network.shape_multiple == multiple
    for shape in (multiple, (7, 5, 6)):
        logits = outputs_of(network, toy_inputs(shape))
        assert logits.shape == (1, *shape, 2)
        assert np.all(np.isfinite(logits))


@pytest.mark.parametrize("mask_branch", [None, (4,)])
def test_rows_of_equal_sizes_are_the_network_of_three_sizes(mask_branch):
    sizes = {"num_channels": (4, 4, 8), "mask_branch": mask_branch}
    kernel, scale = (3, 1, 3), (2, 1, 2)
    same = random_unet(**sizes, kernel_size=kernel, scale_factor=scale)
    rows = toy_unet(**sizes, kernel_size=[kernel] * 3, scale_factor=[scale] * 2)
    assert rows.kernel_size == (kernel,) * 3
    assert [w.path for w in rows.weights] == [w.path for w in same.weights]
    rows.set_weights(same.get_weights())
    inputs = toy_inputs((5, 3, 6))
    np.testing.assert_array_equal(rows(inputs), same(inputs))


_BY_LEVEL = [
    {"num_channels": (4,), "kernel_size": ((1, 3, 2),), "scale_factor": ()},
    {
        "num_channels": (4, 4),
        "kernel_size": ((1, 1, 3), (3, 3, 3)),
        "scale_factor": ((1, 3, 2),),
    },
    {
        "num_channels": (4, 4, 4),
        "kernel_size": ((3, 3, 1), (3, 3, 1), (3, 3, 3)),
        "scale_factor": ((2, 2, 1), (2, 2, 2)),
        "patch_size": (1, 2, 1),
    },
    {"num_channels": (4,) * 4, "scale_factor": ((2, 3, 1), (1, 2, 2), (3, 1, 1))},
    {
        "num_channels": (4,) * 5,
        "num_blocks": (1,) * 5,
        "kernel_size": ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (1, 3, 3)),
        "scale_factor": ((2, 2, 1), (1, 2, 1), (2, 1, 2), (1, 1, 3)),
    },
]


@pytest.mark.parametrize(
    "sizes, branch, multiple",
    [
        (_BY_LEVEL[0], None, (1, 1, 1)),
        (_BY_LEVEL[1], (4,), (1, 3, 2)),
        (_BY_LEVEL[2], None, (4, 8, 2)),
        (_BY_LEVEL[2], (4,), (4, 8, 2)),
        (_BY_LEVEL[3], (6, 4, 4), (6, 6, 2)),
        (_BY_LEVEL[4], (4, 4, 4), (4, 4, 6)),
    ],
)
def test_each_resolution_may_have_its_kernel_and_scale(sizes, branch, multiple):
    network = random_unet(mask_branch=branch, **sizes)
    assert network.shape_multiple == multiple
    rebuilt = UNet3D.from_config(json.loads(json.dumps(network.get_config())))
    assert rebuilt.get_config() == network.get_config()
    rebuilt.set_weights(network.get_weights())
    shape = (7, 5, 3)
    inputs = toy_inputs(shape)
    logits = outputs_of(network, inputs)
    assert logits.shape == (1, *shape, 2)
    np.testing.assert_array_equal(rebuilt(inputs), logits)
    after = [-size % by for size, by in zip(shape, multiple, strict=True)]
    padding = [(0, 0), *((0, number) for number in after), (0, 0)]
    padded = {name: np.pad(inputs[name], padding) for name in ("image", "x_t")}
    x, y, z = shape
    whole = outputs_of(network, {**inputs, **padded})
    np.testing.assert_array_equal(logits, whole[:, :x, :y, :z])


def test_kernels_and_strides_are_those_of_their_resolution():
    network = toy_unet(**_BY_LEVEL[2], remat=True, mask_branch=(4, 4))
    kernels = [
        (name, weight.shape[:3])
        for layer in network.layers
        for weight in layer.weights[:1]
        for name in [layer.name]
        if len(weight.shape) == 5
    ]
    assert dict(kernels) == {
        "stem": (3, 3, 1),
        "encoder_0_0": (3, 3, 1),
        "down_0": (3, 3, 1),
        "encoder_1_0": (3, 3, 1),
        "encoder_1_1": (3, 3, 1),
        # The first convolution along z sees every slice.
        "down_1": (3, 3, 3),
        "bottom_0": (3, 3, 3),
        "bottom_1": (3, 3, 3),
        "up_1": (2, 2, 2),
        "decoder_1_0": (3, 3, 1),
        "decoder_1_1": (3, 3, 1),
        "up_0": (2, 2, 1),
        "decoder_0_0": (3, 3, 1),
        "to_mask_1": (1, 1, 1),
        "to_mask_2": (1, 1, 1),
        "mask_stem": (2, 4, 1),
        "mask_encoder_1": (3, 3, 1),
        "mask_down_2": (2, 2, 2),
        "mask_encoder_2": (3, 3, 3),
        "mask_up_1": (2, 2, 2),
        "mask_up_0": (2, 2, 1),
        "mask_head": (3, 3, 1),
        "head": (1, 2, 1),
    }
    # Norms and attention go by what the network mixes anywhere.
    for name in ("encoder_0_0", "bottom_attention", "mask_encoder_1"):
        assert network.get_layer(name).axes == (1, 2, 3)


def _changed_slices(network, axis):
    """Indices of the output slices along an axis that change with input slice 2."""
    shape = (5, 5, 5)
    inputs = toy_inputs(shape)
    changed = {name: array.copy() for name, array in inputs.items()}
    for name in ("image", "x_t"):
        np.moveaxis(changed[name], 1 + axis, 0)[2] += 3.0
    difference = np.abs(outputs_of(network, changed) - outputs_of(network, inputs))
    other_axes = tuple(other for other in range(5) if other != 1 + axis)
    return list(np.flatnonzero(difference.max(axis=other_axes)))


@pytest.mark.parametrize(
    "axis, sizes",
    [
        (0, {"kernel_size": (1, 3, 3), "scale_factor": (1, 2, 2)}),
        (1, {"kernel_size": (3, 1, 3), "scale_factor": (2, 1, 2), "num_heads": 0}),
        (2, {"kernel_size": (3, 3, 1), "scale_factor": (2, 2, 1)}),
        # With patches of several voxels within the slice.
        (
            2,
            {
                "kernel_size": (3, 3, 1),
                "scale_factor": (2, 2, 1),
                "patch_size": (2, 2, 1),
            },
        ),
    ],
)
def test_kernel_and_scale_of_one_keep_slices_apart(axis, sizes):
    assert _changed_slices(random_unet(**sizes), axis) == [2]


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"kernel_size": (3, 3, 1)},
        {"kernel_size": (3, 3, 1), "scale_factor": (2, 2, 1), "patch_size": (1, 1, 2)},
        {"kernel_size": ((3, 3, 1), (3, 3, 3)), "scale_factor": ((2, 2, 1),)},
    ],
)
def test_a_network_that_mixes_slices_mixes_all(sizes):
    # Its norms see the whole volume.
    assert _changed_slices(random_unet(**sizes), axis=2) == [0, 1, 2, 3, 4]


def test_a_slice_wise_network_gives_the_same_for_a_slice_and_for_its_volume():
    network = random_unet(kernel_size=(3, 3, 1), scale_factor=(2, 2, 1))
    inputs = toy_inputs((7, 6, 4))
    whole = outputs_of(network, inputs)
    for z in (0, 3):
        one = {name: inputs[name][..., z : z + 1, :] for name in ("image", "x_t")}
        alone = outputs_of(network, {**inputs, **one})
        np.testing.assert_allclose(alone, whole[..., z : z + 1, :], atol=1e-5)


@pytest.mark.parametrize("skip, channels", [("add", 4), ("concat", 8)])
def test_skips_reach_the_way_up(skip, channels):
    network = toy_unet(skip=skip)
    assert network.get_layer("decoder_0_0").conv_in.kernel.shape[-2] == channels
    # If nothing comes from below, the logits still see the finest features.
    kernel = network.get_layer("up_0").kernel
    kernel.assign(np.zeros(kernel.shape))
    first, second = (toy_inputs((4, 4, 4), seed=seed) for seed in (0, 1))
    assert np.any(outputs_of(network, first) != outputs_of(network, second))


def test_without_a_mask_there_is_no_time():
    network = random_unet(mask_channels=0, num_heads=4)
    assert [tensor.name for tensor in network.inputs] == ["image"]
    assert not any(isinstance(layer, TimeEmbedding) for layer in network.layers)
    assert not any("modulation" in weight.path for weight in network.weights)


def _logits_at_two_times(network, late, early):
    inputs = toy_inputs((4, 4, 4))
    return (
        outputs_of(network, {**inputs, "t": np.array([t], np.float32)})
        for t in (late, early)
    )


def test_a_new_network_treats_all_times_alike():
    late, early = _logits_at_two_times(toy_unet(), 1.0, 0.2)
    np.testing.assert_array_equal(late, early)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_network_whose_modulation_is_not_zero_distinguishes_times(dtype):
    # The last two of 1001 times: both are 1.0 in bfloat16.
    late, early = _logits_at_two_times(random_unet(dtype=dtype), 1.0, 1000 / 1001)
    assert np.abs(late - early).max() > 0.01


def test_time_reaches_every_block():
    layers = random_unet().layers
    blocks = [layer for layer in layers if isinstance(layer, ResidualBlock3D)]
    # One on the way down, two at the bottom, one on the way up.
    assert len(blocks) == 4
    assert all(block.norm_layer.modulation is not None for block in blocks)


def test_examples_of_a_batch_do_not_see_one_another():
    network = random_unet()
    inputs = toy_inputs((5, 4, 3), batch_size=3)
    together = outputs_of(network, inputs)
    for index in range(3):
        one = {name: array[index : index + 1] for name, array in inputs.items()}
        np.testing.assert_allclose(
            outputs_of(network, one)[0], together[index], atol=1e-5
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"skip": "concat"},
        {"mask_channels": 0},
        {"mask_branch": (4,), "mask_output": "logits"},
    ],
)
def test_gradient_reaches_every_weight(changes):
    # Zero modulation would stop the gradient on its way to the time embedding.
    network = random_unet(**changes)
    inputs = toy_inputs((4, 4, 4), 2, mask_channels=changes.get("mask_channels", 2))
    target = np.random.default_rng(3).normal(size=(2, 4, 4, 4, 2))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(inputs, training=True) * target)
    gradients = tape.gradient(loss, network.trainable_variables)
    for weight, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        # A softmax over keys does not change if all keys shift alike.
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


def test_blocks_and_attention_at_each_resolution():
    network = toy_unet(num_channels=(4, 4, 8))
    assert network.num_blocks == (1, 2, 2)
    names = {layer.name for layer in network.layers}
    blocks = {name for name in names if name.startswith(("encoder", "decoder"))}
    places = ("0_0", "1_0", "1_1")
    assert blocks == {f"{way}_{p}" for way in ("encoder", "decoder") for p in places}
    bottom = {name for name in names if name.startswith("bottom")}
    assert bottom == {"bottom_0", "bottom_1", "bottom_attention"}
    without_heads = random_unet(mask_channels=0, num_heads=0)
    assert "bottom_attention" not in {layer.name for layer in without_heads.layers}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"out_channels": 0}, "out_channels must be at least 1, got 0"),
        ({"image_channels": 0}, "image_channels must be at least 1, got 0"),
        ({"mask_channels": -1}, "mask_channels must be at least 0, got -1"),
        ({"num_channels": ()}, "num_channels must be positive"),
        ({"num_channels": (4, 0)}, "num_channels must be positive"),
        ({"num_blocks": (1,)}, "num_blocks must be 2 positive integers"),
        ({"num_blocks": (1, 0)}, "num_blocks must be 2 positive integers"),
        ({"kernel_size": (3, 3)}, "kernel_size must be three positive integers"),
        ({"kernel_size": ((3, 3, 1),)}, "kernel_size must be .* or 2 such triple"),
        ({"kernel_size": ((3, 3), (3, 3))}, "kernel_size must be three positive"),
        ({"kernel_size": ((3, 3, 1), 3, 3)}, "kernel_size must be three positive"),
        ({"scale_factor": ((2, 2, 0),)}, "scale_factor must be .* or 1 such triple"),
        ({"scale_factor": ()}, "scale_factor must be .*, one for each step between"),
        ({"patch_size": ((1, 1, 1),) * 2}, "patch_size must be three positive"),
        ({"patch_size": (0, 1, 1)}, "patch_size must be three positive integers"),
        ({"scale_factor": (2,)}, "scale_factor must be three positive integers"),
        ({"num_heads": -1}, "num_heads must be at least 0, got -1"),
        ({"num_heads": 3}, "num_heads=3 does not divide"),
        ({"skip": "multiply"}, "skip must be one of"),
        ({"dropout": -0.1}, "dropout must be in"),
        ({"dropout": 1.5}, "dropout must be in"),
        ({"norm": "batch"}, "norm must be one of"),
        ({"mask_branch": (4, 4)}, "mask_branch must be up to 1 positive integers"),
        ({"mask_branch": (0,)}, "mask_branch must be up to 1 positive integers"),
        ({"mask_branch": (4,), "mask_channels": 0}, "mask_branch needs `mask_c"),
        ({"mask_output": "labels"}, "mask_output must be one of"),
        ({"mask_output": "logits"}, "mask_output must be features without mask_branch"),
        ({"deep_supervision": -1}, "deep_supervision must be 0 to 1, the number of"),
        ({"deep_supervision": 2}, "deep_supervision must be 0 to 1, the number of"),
        ({"deep_supervision": 1}, "deep_supervision needs `mask_branch`, or no noisy"),
    ],
)
def test_refuses_a_wrong_argument_by_name(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        toy_unet(**changes)


def test_unknown_channels_of_an_input_do_not_become_groups():
    # Keras would let XLA compile the first convolution, which is slow.
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
    "changes, shape",
    [
        ({}, (7, 5, 3)),
        ({"mask_branch": (4,)}, (8, 8, 8)),
        ({"mask_branch": (4, 6), "num_channels": (4, 8, 8)}, (7, 5, 3)),
        (
            {"mask_branch": (4,), "patch_size": (2, 2, 1), "kernel_size": (3, 3, 1)},
            (7, 5, 3),
        ),
        (
            {"mask_branch": (4,), "dtype": "mixed_bfloat16", "norm": "channel"},
            (8, 8, 8),
        ),
        (
            {"mask_branch": (4,), "mask_output": "logits", "patch_size": (2, 2, 1)},
            (7, 5, 3),
        ),
    ],
    ids=str,
)
def test_encode_and_denoise_give_the_logits_of_the_call(changes, shape):
    network = random_unet(**changes)
    inputs = toy_inputs(shape, batch_size=2)
    features = network.encode(inputs["image"])
    logits = network.denoise(features, inputs["x_t"], inputs["t"])
    np.testing.assert_array_equal(logits, network(inputs))
    other = network.denoise(features, inputs["x_t"], inputs["t"] / 2)
    assert np.abs(other - logits).max() > 0.0


def test_the_weights_of_both_branches_are_counted_once():
    network = random_unet(mask_branch=(4,))
    inputs = toy_inputs((4, 4, 4))
    paths = [weight.path for weight in network.weights]
    assert len(paths) == len(set(paths))
    rebuilt = UNet3D.from_config(network.get_config())
    rebuilt.set_weights(network.get_weights())
    np.testing.assert_array_equal(rebuilt(inputs), network(inputs))


def test_a_new_branch_of_logits_leaves_those_of_the_image():
    network = toy_unet(mask_branch=(4,), mask_output="logits")
    inputs = toy_inputs((7, 5, 3))
    features = network.encode(inputs["image"])
    np.testing.assert_array_equal(network(inputs), features[0])
    assert features[0].shape == (1, 7, 5, 3, 2) and features[0].dtype == tf.float32
