"""What Keras offers to do with a model, done or refused at the call."""

import contextlib
import pathlib

import keras

from tf_diffseg.models import UNet3D
from tf_diffseg.training.batches.batch_shapes import check_batches, plain_shape_errors
from tf_diffseg.training.callbacks.monitored_scores import tell_callbacks_what_is_better
from tf_diffseg.training.training_checks import HDF5_REFUSED, check_trained


class KerasUNet3D(UNet3D):
    """A `UNet3D` with a train step of its own.

    Keras would do some of what it offers without that step, or fail far inside. Here
    that is a ValueError which says what to do instead.

    Attributes:
        traced_for: ids of the variables that the last step trains.
    """

    traced_for = None

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
            ValueError: image and label do not fit, examples or classes are to be
                weighed, or no layer is left to train.
        """
        if len(args) > 3:
            raise ValueError(
                "fit takes batch_size, epochs and verbose by place, name the others"
            )
        _refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        self._assert_compile_called("fit")
        check_trained(self)
        check_batches((x, y), self.image_channels)
        if validation_data is not None:
            check_batches(validation_data, self.image_channels, "validation_data: ")
        tell_callbacks_what_is_better(callbacks)
        kwargs |= {"callbacks": callbacks, "validation_data": validation_data}
        with self._call_to_keras():
            return super().fit(x, y, *args, **kwargs)

    def evaluate(
        self, x=None, y=None, *args, sample_weight=None, return_dict=False, **kwargs
    ):
        """Scores, as `keras.Model.evaluate`: a list in the order of `metrics_names`.

        Raises:
            ValueError: image and label do not fit, or examples are to be weighed.
        """
        _refuse_weights(sample_weight=sample_weight)
        if not kwargs.get("_use_cached_eval_dataset"):  # Looked at by `fit`.
            check_batches((x, y), self.image_channels)
        with self._call_to_keras():
            logs = super().evaluate(x, y, *args, return_dict=True, **kwargs)
        return logs if return_dict else self._in_order(logs)

    def predict(self, x, *args, **kwargs):
        """Predicts, as `keras.Model.predict`; raises ValueError for other images."""
        check_batches(x, self.image_channels, with_label=False)
        with self._call_to_keras():
            return super().predict(x, *args, **kwargs)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, **kwargs
    ):
        """Takes one step, as `keras.Model.train_on_batch`; see `fit`."""
        _refuse_weights(class_weight=class_weight, sample_weight=sample_weight)
        self._assert_compile_called("train_on_batch")
        x, y = _as_pair(x, y)
        check_trained(self)
        check_batches((x, y), self.image_channels)
        with self._call_to_keras():
            return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Scores one batch, as `keras.Model.test_on_batch`; see `evaluate`."""
        _refuse_weights(sample_weight=sample_weight)
        x, y = _as_pair(x, y)
        check_batches((x, y), self.image_channels)
        with self._call_to_keras():
            logs = super().test_on_batch(x, y, return_dict=True)
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x):
        """Predicts one batch, as `keras.Model.predict_on_batch`; see `predict`."""
        check_batches(x, self.image_channels, with_label=False)
        with self._call_to_keras():
            return super().predict_on_batch(x)

    @contextlib.contextmanager
    def _call_to_keras(self):
        """Names wrong shapes; after any error the next call begins afresh.

        Keras would keep what a step that failed has traced, and that may be half of it.
        """
        try:
            with plain_shape_errors():
                yield
        except BaseException:
            self.train_function = self.test_function = self.predict_function = None
            self._eval_epoch_iterator = None
            raise

    def _in_order(self, logs):
        """Values in the order of `metrics_names`, and after them those of others."""
        names = [name for name in self.metrics_names if name in logs]
        return [logs[name] for name in [*names, *(n for n in logs if n not in names)]]

    def save(self, filepath, *args, **kwargs):
        """Saves, as `keras.Model.save`; raises ValueError for a `.h5` file."""
        if pathlib.Path(str(filepath)).suffix in (".h5", ".hdf5"):
            raise ValueError(f"filepath={filepath}: {HDF5_REFUSED}")
        return super().save(filepath, *args, **kwargs)

    def export(self, *args, **kwargs):
        """Refused: it would give logits of a single step."""
        del args, kwargs
        raise ValueError(
            "export would give the logits of a single step, not a segmentation: use "
            "tf_diffseg.export_saved_model, or python -m experiments.export"
        )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from what `get_config` gave, frozen where it was."""
        if not isinstance(config.get("skip", ""), str):
            # Keras reads "add" in an HDF5 file as its function of that name.
            raise ValueError(
                "HDF5 files cannot hold the whole model: load a .keras file"
            )
        return super().from_config(config, custom_objects)

    def _run_through_graph(self, inputs, operation_fn=lambda op: op, **kwargs):
        """Runs the network; refuses `keras.models.clone_model`, which does it too.

        It would make a plain Keras model of copies of the layers, which neither
        diffuses nor samples.
        """

        def checked(operation):
            run = operation_fn(operation)
            # Keras calls layers by a function; to clone one it makes another layer.
            # Only its constructor, before ours goes on, runs the layers themselves.
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


def _refuse_weights(**weights):
    for name, weight in weights.items():
        if weight is not None:
            raise ValueError(
                f"{name} is not supported: classes weigh alike in the Dice loss, "
                "whatever their size; see dice_weight, cross_entropy_weight and "
                "focal_weight of the model"
            )
