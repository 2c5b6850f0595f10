"""Checks that every layer of the network must pass."""

import inspect
import json

import keras
import numpy as np

from tests.models.toy_network import outputs_of, randomize_weights


def assert_layer_contract(layer_class, arguments, inputs, tmp_path):
    """Checks shapes, dtypes, configuration and saving of a layer.

    Args:
        layer_class: class of the layer.
        arguments: all constructor arguments, with other values than the defaults.
        inputs: float32 arrays, the positional arguments of `call`.
        tmp_path: folder to save in.
    """
    _assert_arguments_are_all_changed(layer_class, arguments)
    for dtype in ("float32", "mixed_bfloat16"):
        layer = layer_class(**arguments, dtype=dtype, name="layer_under_test")
        symbolic_inputs = [keras.Input(batch_shape=array.shape) for array in inputs]
        model = keras.Model(symbolic_inputs, layer(*symbolic_inputs))
        randomize_weights(layer)
        _assert_output_is_as_described(layer, inputs)
        _assert_rebuilt_from_config(layer, arguments, inputs)
        _assert_saved_and_loaded(model, inputs, tmp_path / f"{dtype}.keras")


def _assert_arguments_are_all_changed(layer_class, arguments):
    own = {}
    if layer_class.__init__.__module__.startswith("tf_diffseg"):  # Not Keras's.
        own = dict(inspect.signature(layer_class.__init__).parameters)
        del own["self"], own["kwargs"]
    assert set(arguments) == set(own)
    for name, parameter in own.items():
        assert arguments[name] != parameter.default, f"{name} has its default"


def _assert_output_is_as_described(layer, inputs):
    outputs = layer(*inputs)
    shapes = [array.shape for array in inputs]
    assert layer.compute_output_shape(*shapes) == tuple(outputs.shape)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype


def _assert_rebuilt_from_config(layer, arguments, inputs):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    rebuilt = keras.saving.deserialize_keras_object(config)
    assert type(rebuilt) is type(layer)
    assert rebuilt.get_config() == layer.get_config()
    assert rebuilt.name == layer.name
    assert rebuilt.dtype_policy == layer.dtype_policy
    for name, value in arguments.items():
        assert getattr(rebuilt, name) == value, name

    rebuilt(*inputs)
    rebuilt.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        outputs_of(rebuilt, *inputs), outputs_of(layer, *inputs)
    )


def _assert_saved_and_loaded(model, inputs, path):
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(outputs_of(loaded, inputs), outputs_of(model, inputs))
