"""Self-attention over voxels."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import SelfAttention3D, chunked_attention
from tf_diffseg.training.graph_memory import peak_bytes


def _features(shape=(2, 4, 3, 2, 6)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _attention(num_heads=2, axes=(1, 2, 3), **arguments):
    layer = SelfAttention3D(num_heads, axes, **arguments)
    layer.build((None, None, None, None, 6))
    randomize_weights(layer)
    return layer


def test_contract(tmp_path):
    arguments = {"num_heads": 3, "axes": (1, 3), "remat": True, "norm": "channel"}
    assert_layer_contract(SelfAttention3D, arguments, [_features()], tmp_path)


def test_is_attention_over_all_voxels_plus_the_input():
    layer = _attention()
    inputs = ["query", "key", "value"]
    kernels = {}
    for name in [*inputs, "output"]:
        dense = getattr(layer.attention, f"_{name}_dense")
        kernels[name] = [weight.numpy().astype(np.float64) for weight in dense.weights]
    tokens = outputs_of(layer.norm_layer, _features()).reshape(2, -1, 6)
    query, key, value = (
        np.einsum("bnc,chd->bhnd", tokens, kernels[name][0])
        + kernels[name][1][:, np.newaxis]
        for name in inputs
    )
    scores = np.einsum("bhnd,bhmd->bhnm", query, key) / np.sqrt(3)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhnm,bhmd->bnhd", weights, value)
    mixed = np.einsum("bnhd,hdc->bnc", mixed, kernels["output"][0])
    expected = _features() + (mixed + kernels["output"][1]).reshape(_features().shape)
    np.testing.assert_allclose(outputs_of(layer, _features()), expected, atol=1e-5)


@pytest.mark.parametrize("axes", [(1, 2, 3), (1, 3), (2,)])
def test_voxels_see_one_another_only_along_the_axes(axes):
    layer = _attention(axes=axes)
    changed = _features()
    changed[0, 1, 1, 1] = 9.0, -9.0, 5.0, 0.0, 1.0, -2.0
    difference = np.abs(outputs_of(layer, changed) - outputs_of(layer, _features()))
    # Along an axis that does not mix, only the changed place differs.
    seen = [slice(None) if axis in axes else 1 for axis in (1, 2, 3)]
    expected = np.zeros(_features().shape[:4], bool)
    expected[(0, *seen)] = True
    np.testing.assert_array_equal(difference.max(axis=-1) > 0, expected)


def test_refuses_channels_that_the_heads_do_not_divide():
    layer = SelfAttention3D(num_heads=4)
    with pytest.raises(ValueError, match="num_heads=4 does not divide the 6 channels"):
        layer.build((None, 2, 2, 2, 6))


def _output_and_gradients(layer, spec=None, jit_compile=False):
    """Output, and gradients of input and weights, from a graph or eagerly."""
    inputs = tf.constant(_features())
    weights = [
        weight
        for weight in layer.trainable_variables
        # A softmax over keys does not change if all keys shift alike.
        if not weight.path.endswith("key/bias")
    ]

    def run(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = tf.cast(layer(features, training=True), tf.float32)
            loss = tf.reduce_sum(outputs * tf.math.cos(outputs))
        return [outputs, *tape.gradient(loss, [features, *weights])]

    if spec is not None:
        graph = tf.function(run, jit_compile=jit_compile)
        run = graph.get_concrete_function(tf.TensorSpec(spec))
    return [np.array(tf.cast(value, tf.float32)) for value in run(inputs)]


def _assert_close(actual, expected, tolerance):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * np.abs(other).max())


_KNOWN = (2, 4, 3, 2, 6)
_UNKNOWN = (None, None, None, None, 6)


@pytest.mark.parametrize("num_pairs", [1, 250])  # Chunks of 1 and of 5 queries.
@pytest.mark.parametrize("spec", [None, _KNOWN, _UNKNOWN], ids=str)
def test_chunks_give_what_all_pairs_give(num_pairs, spec, monkeypatch):
    layer = _attention()
    expected = _output_and_gradients(layer)
    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", num_pairs)
    _assert_close(_output_and_gradients(layer, spec), expected, 1e-5)


@pytest.mark.parametrize("axes, remat", [((1, 2, 3), True), ((1, 3), False)])
def test_chunks_with_remat_and_with_slices_that_are_kept_apart(
    axes, remat, monkeypatch
):
    layer = _attention(axes=axes, remat=remat)
    expected = _output_and_gradients(layer)
    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", 20)
    _assert_close(_output_and_gradients(layer, _KNOWN), expected, 1e-5)


@pytest.mark.parametrize(
    "dtype, tolerance", [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)]
)
def test_chunks_in_half_precision(dtype, tolerance, monkeypatch):
    layer = _attention(dtype=dtype)
    expected = _output_and_gradients(layer)
    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", 250)
    _assert_close(_output_and_gradients(layer, _KNOWN), expected, tolerance)


def test_chunks_that_xla_compiles(monkeypatch):
    layer = _attention()
    expected = _output_and_gradients(layer)
    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", 250)
    compiled = _output_and_gradients(layer, _UNKNOWN, jit_compile=True)
    _assert_close(compiled, expected, 1e-4)


@pytest.mark.parametrize("spec", [None, (2, 24, 6), (None, None, 6)], ids=str)
def test_few_tokens_have_the_bits_and_weights_of_keras(spec):
    arguments = {"num_heads": 2, "key_dim": 3, "name": "attention"}
    ours = chunked_attention.ChunkedAttention(**arguments)
    theirs = keras.layers.MultiHeadAttention(**arguments)
    for layer in (ours, theirs):
        layer.build((None, None, 6), (None, None, 6))
    randomize_weights(ours)
    theirs.set_weights(ours.get_weights())
    tokens = tf.constant(_features().reshape(2, 24, 6))
    outputs = []
    for layer in (ours, theirs):
        run = tf.function(lambda x, layer=layer: layer(x, x))
        if spec is not None:
            run = run.get_concrete_function(tf.TensorSpec(spec))
        outputs.append(run(tokens))
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    np.testing.assert_array_equal(*outputs)


def test_a_kernel_without_pairs_takes_the_place_of_the_chunks(monkeypatch):
    layer = _attention()
    expected = outputs_of(layer, _features())
    plain, asked = keras.ops.dot_product_attention, []

    def flash(query, key, value, flash_attention):
        asked.append(flash_attention)
        return plain(query, key, value)

    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", 20)
    monkeypatch.setattr(chunked_attention.ops, "dot_product_attention", flash)
    np.testing.assert_allclose(outputs_of(layer, _features()), expected, atol=1e-5)
    assert asked == [True]


_ON_JAX = """
import jax
import keras
import numpy as np
from tf_diffseg.models import chunked_attention as module
rng = np.random.default_rng(0)
tokens = [rng.normal(size=(2, 24, 2, 8)).astype("float32") for _ in range(3)]
def loss(attend, tokens):
    out = attend(*tokens)
    return (out * keras.ops.cos(out)).sum()
def plain(query, key, value):
    return keras.ops.dot_product_attention(query, key, value, flash_attention=False)
results = []
for attend in (plain, module.chunked_attention):
    module.CHUNK_PAIRS = 250
    grad = jax.jit(jax.value_and_grad(lambda tokens: loss(attend, tokens)))
    results.append(jax.tree.leaves(grad(tokens)))
for one, other in zip(*results, strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
layer = module.ChunkedAttention(num_heads=2, key_dim=8)
outputs = []
for module.CHUNK_PAIRS in (2**22, 250):
    outputs.append(np.array(layer(tokens[0][:, :, 0], tokens[1][:, :, 0])))
np.testing.assert_allclose(*outputs, atol=1e-5)
assert keras.backend.backend() == "jax"
"""


def test_chunks_on_jax_give_what_all_pairs_give():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed; it is in the extra [test]")
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", _ON_JAX],
        cwd=pathlib.Path(__file__).absolute().parents[2],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr


def test_memory_grows_with_the_tokens_and_not_with_their_square():
    layer = _attention(remat=True)

    @tf.function(autograph=False)
    def step(features):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(features, training=True))
        return tape.gradient(loss, layer.trainable_variables)

    tokens = 20 * 32 * 32
    graph = step.get_concrete_function(tf.TensorSpec([1, 20, 32, 32, 6])).graph
    chunk_bytes = 4 * chunked_attention.CHUNK_PAIRS
    kept_bytes = 4 * 6 * tokens * 20
    assert chunk_bytes < peak_bytes(graph) < 6 * chunk_bytes + kept_bytes
    assert 2 * tokens**2 > 100 * chunked_attention.CHUNK_PAIRS


@pytest.mark.parametrize(
    "options",
    [
        {"attention_mask": np.tril(np.ones((1, 18, 18), bool))},
        {"use_causal_mask": True},
        {"return_attention_scores": True},
        {"training": True},
        {},
    ],
    ids=str,
)
def test_what_needs_all_pairs_is_done_by_keras(options, monkeypatch):
    monkeypatch.setattr(chunked_attention, "CHUNK_PAIRS", 100)
    arguments = {"num_heads": 2, "key_dim": 4, "dropout": 0.5, "seed": 1}
    tokens = np.random.default_rng(0).normal(size=(2, 18, 6)).astype(np.float32)
    layers = [
        kind(**arguments)
        for kind in (
            chunked_attention.ChunkedAttention,
            keras.layers.MultiHeadAttention,
        )
    ]
    for layer in layers:
        layer.build(tokens.shape, tokens.shape)
    layers[1].set_weights(layers[0].get_weights())
    found, expected = (
        keras.tree.flatten(layer(tokens, tokens, **options)) for layer in layers
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
