"""tensorflow-addons 0.23, as the oracle that it still is, on today's TensorFlow.

Its last release looks for Keras 2 in `tf.keras`. `import_addons` hands it tf_keras
there, and nobody else: Keras 3 stays what `keras` and `tf.keras` are.
"""

import contextlib
import importlib
import sys
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf


def import_or_skip():
    """The package tensorflow_addons; skips the test if it is not installed."""
    try:
        return import_addons()
    except ImportError as error:
        pytest.skip(f"pip install '.[oracle]' on Python 3.10 or 3.11: {error}")


def import_addons():
    """The package tensorflow_addons; ImportError if it or tf_keras is not there."""
    if "tensorflow_addons" in sys.modules:
        return sys.modules["tensorflow_addons"]
    import keras
    import tf_keras

    engine = importlib.import_module("tf_keras.src.engine")
    with_keras_2 = types.ModuleType("tensorflow")
    with_keras_2.__getattr__ = lambda name: getattr(tf, name)
    with_keras_2.__dict__.update(vars(tf), keras=tf_keras)
    # What addons imports by these names, for the time of its own import.
    names = {
        "tensorflow": with_keras_2,
        "tensorflow.keras": tf_keras,
        "keras.src.engine": engine,
    }
    with (
        _in_place_of(sys.modules, names),
        _in_place_of(vars(keras.src), {"engine": engine}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # It tells at each import that it has ended.
        return importlib.import_module("tensorflow_addons")


@contextlib.contextmanager
def _in_place_of(mapping, entries):
    before = {name: mapping[name] for name in entries if name in mapping}
    mapping.update(entries)
    try:
        yield
    finally:
        for name in entries:
            del mapping[name]
        mapping.update(before)


def compute(name, inputs):
    """What the addons that are installed compute of the inputs of a case.

    Args:
        name: a case of values.json.
        inputs: its inputs, arrays.

    Returns:
        Its outputs, as in values.json.
    """
    outputs = _CASES[name](import_addons(), **inputs)
    return {key: np.asarray(value) for key, value in outputs.items()}


def _focal(tfa, mask, logits):
    return {
        f"gamma={gamma}": tfa.losses.sigmoid_focal_crossentropy(
            mask, logits, alpha=0.5, gamma=gamma, from_logits=True
        )
        for gamma in (0.0, 0.5, 1.5, 2.0)
    }


def _of_each_volume(make_metric, truth, predicted):
    one_hot = np.eye(3, dtype=np.float32)
    results = []
    for volumes in zip(truth, predicted, strict=True):
        metric = make_metric()
        metric.update_state(*(one_hot[volume.ravel()] for volume in volumes))
        results.append(metric.result())
    return results


def _f1_score(tfa, truth, predicted):
    def make_metric():
        return tfa.metrics.F1Score(3, average=None)

    return {"f1": _of_each_volume(make_metric, truth, predicted)}


def _confusion_matrix(tfa, truth, predicted):
    def make_metric():
        return tfa.metrics.MultiLabelConfusionMatrix(3)

    return {"counts": _of_each_volume(make_metric, truth, predicted)}


def _instance_normalization(tfa, features, gamma, beta):
    def normalized(inputs):
        layer = tfa.layers.InstanceNormalization(epsilon=1e-5)
        layer.build(inputs.shape)
        layer.set_weights([gamma, beta])
        return np.asarray(layer(inputs))

    slices = np.moveaxis(features, 3, 1)  # (batch, z, x, y, channels)
    apart = normalized(slices.reshape(-1, *slices.shape[2:])).reshape(slices.shape)
    return {
        "axes=(1, 2, 3)": normalized(features),
        "axes=(1, 2)": np.moveaxis(apart, 1, 3),
    }


def _adamw(tfa, kernel, bias, kernel_gradients, bias_gradients):
    variables = [tf.Variable(kernel), tf.Variable(bias)]
    optimizer = tfa.optimizers.AdamW(weight_decay=0.01, learning_rate=0.05)
    steps = []
    for gradients in zip(kernel_gradients, bias_gradients, strict=True):
        optimizer.apply_gradients(
            zip(map(tf.constant, gradients), variables, strict=True),
            decay_var_list=variables[:1],
        )
        steps.append([variable.numpy() for variable in variables])
    kernels, biases = zip(*steps, strict=True)
    return {"kernel": kernels, "bias": biases}


def _transform(tfa, image, label, spacing_mm, matrix, shift_mm):
    inverse = np.linalg.inv(matrix)
    backward = inverse * spacing_mm[np.newaxis] / spacing_mm[:, np.newaxis]
    centre = (np.array(label.shape) - 1) / 2
    offset = centre - backward @ centre - inverse @ shift_mm / spacing_mm
    # Addons counts columns first.
    rows = np.concatenate([backward, offset[:, np.newaxis]], axis=1)[::-1]
    projective = [*rows[0, [1, 0, 2]], *rows[1, [1, 0, 2]], 0.0, 0.0]
    labels = label.astype(np.int32)[..., np.newaxis]
    moved = tfa.image.transform(labels, projective, "nearest")
    return {
        "image": tfa.image.transform(image, projective, "bilinear"),
        "label": moved[..., 0],
    }


def _dense_image_warp(tfa, image, spacing_mm, displacement_mm):
    flow = np.float32(-displacement_mm / spacing_mm)
    warped = tfa.image.dense_image_warp(image[np.newaxis], flow[np.newaxis])
    return {"image": warped[0]}


def _gaussian_filter2d(tfa, image, spacing_mm, sigma_mm):
    def filtered(of):
        sigma = tuple(map(float, sigma_mm / spacing_mm))
        return tfa.image.gaussian_filter2d(of, (15, 11), sigma, "CONSTANT")

    return {"image": filtered(image) / filtered(np.ones_like(image))}


def _euclidean_dist_transform(tfa, a, b):
    def surface(mask):
        p = np.pad(mask, 1)
        return mask & ~(p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:])

    def distances_from(mask):
        outside = np.where(mask, 0, 255).astype(np.uint8)[np.newaxis, ..., np.newaxis]
        return np.asarray(tfa.image.euclidean_dist_transform(outside))[0, ..., 0]

    a, b = surface(a > 0), surface(b > 0)
    return {"a_to_b": distances_from(b)[a], "b_to_a": distances_from(a)[b]}


def _connected_components(tfa, mask):
    components = np.asarray(tfa.image.connected_components(mask > 0))
    largest = np.argmax(np.bincount(components.ravel())[1:]) + 1
    return {"components": components, "largest": components == largest}


_CASES = {
    "sigmoid_focal_crossentropy": _focal,
    "f1_score": _f1_score,
    "confusion_matrix": _confusion_matrix,
    "instance_normalization": _instance_normalization,
    "adamw": _adamw,
    "transform": _transform,
    "dense_image_warp": _dense_image_warp,
    "gaussian_filter2d": _gaussian_filter2d,
    "euclidean_dist_transform": _euclidean_dist_transform,
    "connected_components": _connected_components,
}
