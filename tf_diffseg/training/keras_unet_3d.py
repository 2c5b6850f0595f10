"""Methods of a Keras model that check their arguments when they are called."""

import pathlib
import re

import keras

from tf_diffseg.models import UNet3D
from tf_diffseg.training.batches.batch_shapes import check_batches
from tf_diffseg.training.batches.label_check import checked_data, plain_errors
from tf_diffseg.training.batches.labels import LabelIds
from tf_diffseg.training.training_checks import HDF5_REFUSED, check_trained

_HIGHER_IS_BETTER = re.compile(r"(val_)?dice(_class_\d+|_step_\d+(_to_\d+)?)?")


class KerasUNet3D(UNet3D):
    """A `UNet3D` with a train step of its own.

    Some methods of Keras would not use that step, or would fail deep inside. Here they
    raise a ValueError that says what to do instead.

    Attributes:
        traced_for: ids of the variables that the last step trains.
    """

    traced_for = None
    _label_ids: LabelIds
    _is_evaluating = False

    def fit(
        self,
        x=None,
        y=None,
        *args,
        callbacks=None,
        validation_data=None,
        class_weight=None,
        sample_weight=None,
        **kwargs,
    ):
        """Trains, as `keras.Model.fit`.

        Raises:
            ValueError: image and label do not fit, a label has another id, examples
                or classes are to be weighed, or no layer is left to train.
        """
        if len(args) > 3:
            raise ValueError(
                "fit takes batch_size, epochs and verbose by place, name the others"
            )
        _refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        self._assert_compile_called("fit")
        check_trained(self)
        x, y = self._checked(_image_and_label(x, y))
        if validation_data is not None:
            validation_data = self._checked(validation_data, "validation_data: ")
        _prefer_high_dice(callbacks)
        kwargs |= {"callbacks": callbacks, "validation_data": validation_data}
        with plain_errors():
            return super().fit(x, y, *args, **kwargs)

    def evaluate(
        self, x=None, y=None, *args, sample_weight=None, return_dict=False, **kwargs
    ):
        """Scores, as `keras.Model.evaluate`: a list in the order of `metrics_names`.

        Raises:
            ValueError: image and label do not fit, a label has another id, or examples
                are to be weighed.
        """
        _refuse_weights(sample_weight=sample_weight)
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has checked it.
            x, y = self._checked(_image_and_label(x, y))
        self._is_evaluating = True
        try:
            with plain_errors():
                logs = super().evaluate(x, y, *args, return_dict=True, **kwargs)
        finally:
            self._is_evaluating = False
        # Tensors, if Keras is older.
        logs = {name: float(value) for name, value in logs.items()}
        return logs if return_dict else self._in_order(logs)

    def predict(self, x, *args, **kwargs):
        """Predicts, as `keras.Model.predict`; raises ValueError for other images."""
        check_batches(x, self.image_channels, with_label=False)
        with plain_errors():
            return super().predict(x, *args, **kwargs)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, **kwargs
    ):
        """Takes one step on one device, as `keras.Model.train_on_batch`; see `fit`."""
        self._refuse_several_devices("train_on_batch", "fit")
        _refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        self._assert_compile_called("train_on_batch")
        check_trained(self)
        x, y = self._checked(_as_pair(x, y))
        with plain_errors():
            return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Scores one batch, as `keras.Model.test_on_batch`; see `evaluate`."""
        self._refuse_several_devices("test_on_batch", "evaluate")
        _refuse_weights(sample_weight=sample_weight)
        x, y = self._checked(_as_pair(x, y))
        with plain_errors():
            logs = super().test_on_batch(x, y, return_dict=True)
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x):
        """Predicts one batch, as `keras.Model.predict_on_batch`; see `predict`."""
        self._refuse_several_devices("predict_on_batch", "predict")
        check_batches(x, self.image_channels, with_label=False)
        with plain_errors():
            return super().predict_on_batch(x)

    def _refuse_several_devices(self, name, instead):
        """Raises ValueError if Keras would give each device the whole batch."""
        num_devices = self.distribute_strategy.num_replicas_in_sync
        if num_devices > 1:
            raise ValueError(
                f"{name} gives each of the {num_devices} devices the whole batch: use "
                f"{instead}, which divides it"
            )

    def _checked(self, data, prefix=""):
        """Image and label; their shapes and ids are checked as far as known."""
        check_batches(data, self.image_channels, prefix)
        return checked_data(data, self._label_ids, asserts=not self.jit_compile)

    def _in_order(self, logs):
        """Values in the order of `metrics_names`, then all others."""
        names = [name for name in self.metrics_names if name in logs]
        return [logs[name] for name in [*names, *(n for n in logs if n not in names)]]

    def save(self, filepath, *args, **kwargs):
        """Saves, as `keras.Model.save`; raises ValueError for a `.h5` file."""
        if pathlib.Path(str(filepath)).suffix in (".h5", ".hdf5"):
            raise ValueError(f"filepath={filepath}: {HDF5_REFUSED}")
        return super().save(filepath, *args, **kwargs)

    def export(self, *args, **kwargs):
        """Raises ValueError: it would export the logits of a single step."""
        del args, kwargs
        raise ValueError(
            "export would give the logits of a single step, not a segmentation: use "
            "tf_diffseg.export_saved_model, or python -m experiments.export"
        )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from its `get_config`, with the same frozen layers."""
        if not isinstance(config.get("skip", ""), str):
            # Keras reads "add" in an HDF5 file as its function of that name.
            raise ValueError(
                "HDF5 files cannot hold the whole model: load a .keras file"
            )
        return super().from_config(config, custom_objects)

    def _run_through_graph(self, inputs, operation_fn=lambda op: op, **kwargs):
        """Runs the network; raises ValueError for `keras.models.clone_model`.

        That would make a plain Keras model of the layers, without diffusion.
        """

        def checked(operation):
            run = operation_fn(operation)
            # To clone a layer, `operation_fn` returns another layer, not a function.
            # The constructor of Keras does so too, before there is `out_channels`.
            if isinstance(run, keras.layers.Layer) and hasattr(self, "out_channels"):
                raise ValueError(
                    "keras.models.clone_model cannot copy this model: use "
                    "copy.deepcopy(model), or type(model).from_config("
                    "model.get_config()) for one with new weights"
                )
            return run

        return super()._run_through_graph(inputs, operation_fn=checked, **kwargs)


def _as_pair(x, y):
    """Image and label of a batch that may be a dict of both."""
    return (x["image"], x.get("label")) if isinstance(x, dict) else (x, y)


def _image_and_label(x, y):
    """Replaces x if it is a dict of the image and y is the label."""
    return (x.get("image") if isinstance(x, dict) and y is not None else x), y


def _prefer_high_dice(callbacks):
    """Makes callbacks of mode "auto" that monitor a Dice look for its maximum.

    Keras knows the mode only for losses and for metrics that `compile` was given.
    """
    callbacks = getattr(callbacks, "callbacks", callbacks) or []
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        monitor = getattr(callback, "monitor", None)
        is_auto = getattr(callback, "mode", None) == "auto"
        if is_auto and _HIGHER_IS_BETTER.fullmatch(str(monitor)):
            callback.mode = "max"


def _refuse_weights(**weights):
    for name, weight in weights.items():
        if weight is not None:
            raise ValueError(
                f"{name} is not supported: classes weigh alike in the Dice loss, "
                "whatever their size; the model's `TrainingLoss` weighs the losses"
            )
