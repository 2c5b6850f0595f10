"""Every class that Keras saves is registered: a file that names it can be loaded."""

import importlib
import inspect
import pkgutil

import keras

import tf_diffseg

_KINDS = (
    keras.Layer,
    keras.metrics.Metric,
    keras.optimizers.schedules.LearningRateSchedule,
)
# Inner layers, which their owners make again, and base classes.
_NOT_SAVED = {
    "ChunkedAttention",
    "CompiledUNet3D",
    "KerasUNet3D",
    "ModulatedNormalization",
}


def test_classes_that_keras_saves_are_registered():
    found = {}
    for module in pkgutil.walk_packages(tf_diffseg.__path__, "tf_diffseg."):
        for _, each in inspect.getmembers(importlib.import_module(module.name)):
            is_ours = inspect.isclass(each) and each.__module__.startswith(
                "tf_diffseg."
            )
            if is_ours and issubclass(each, _KINDS):
                found[each.__name__] = keras.saving.get_registered_name(each)
    assert len(found) >= 15
    unregistered = {name for name in found if found[name] != f"tf_diffseg>{name}"}
    assert unregistered == _NOT_SAVED
