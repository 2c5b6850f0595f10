"""Checks labels before a step takes them, with an error of one line.

A step asserts that its labels are valid. XLA, which is the default on GPUs, drops
assertions: ids that are no classes would train without an error. So arrays are checked
before the first step, and other sources batch by batch, outside of what XLA compiles.
"""

import contextlib
import inspect

import keras
import tensorflow as tf

from tf_diffseg.training.batches.batch_shapes import wrong_shape_message
from tf_diffseg.training.batches.labels import wrong_label_message


@contextlib.contextmanager
def plain_errors():
    """Turns TensorFlow's error about a shape or label into a ValueError of one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        message = wrong_shape_message(error) or wrong_label_message(error)
        if message is None:
            raise
        raise ValueError(message) from None


def checked_data(data, label_ids, asserts):
    """Checks the labels in arguments of `fit` or `evaluate`.

    Args:
        data: tuple (x, y, ...), of arrays or of a source of batches and None; or a
            source: a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator.
        label_ids: `LabelIds`.
        asserts: whether a step checks labels itself; then sources are not changed.

    Returns:
        The data, with a source replaced by one that checks each batch. Other objects
        are returned as they are.

    Raises:
        ValueError: an array holds other labels.
    """
    if isinstance(data, tuple):
        x, *others = data
        _check_array(_label_of((x, *others)), label_ids)
        return (checked_data(x, label_ids, asserts), *others)
    if isinstance(data, dict):
        _check_array(data.get("label"), label_ids)
        return data
    if asserts:
        return data
    if isinstance(data, tf.data.Dataset):
        return data.map(
            tf.autograph.experimental.do_not_convert(
                lambda *batch: _asserted(batch, label_ids)
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    if isinstance(data, keras.utils.PyDataset):
        return _CheckedPyDataset(data, label_ids)
    if inspect.isgenerator(data):
        return (_checked_batch(batch, label_ids) for batch in data)
    return data


def _label_of(batch):
    """The label in a dict or in a tuple (image, label, ...), or None."""
    if isinstance(batch, (tuple, list)) and len(batch) == 1:
        (batch,) = batch
    if isinstance(batch, dict):
        return batch.get("label")
    if isinstance(batch, (tuple, list)):
        return _label_of(batch[0]) if isinstance(batch[0], dict) else batch[1]
    return None


def _check_array(label, label_ids):
    """Raises ValueError unless an array of labels holds the ids that it may."""
    if not hasattr(label, "shape") or not len(label.shape):
        return
    for number in range(len(label)):  # One by one, to copy only one at a time.
        with plain_errors():
            label_ids.checked(label[number])


def _checked_batch(batch, label_ids):
    _check_array(_label_of(batch), label_ids)
    return batch


def _asserted(batch, label_ids):
    """A batch of a `tf.data.Dataset` whose label is checked and rounded."""
    if isinstance(batch[0], dict):
        (example,) = batch
        return {**example, "label": label_ids.checked(example["label"])}
    if len(batch) < 2:  # The model names the missing label.
        return batch
    image, label, *others = batch
    return (image, label_ids.checked(label), *others)


class _CheckedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` that checks each batch of another one."""

    def __init__(self, dataset, label_ids):
        super().__init__(
            dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size
        )
        self._dataset = dataset
        self._label_ids = label_ids

    def __getitem__(self, index):
        return _checked_batch(self._dataset[index], self._label_ids)

    @property
    def num_batches(self):
        return self._dataset.num_batches

    def on_epoch_begin(self):
        self._dataset.on_epoch_begin()

    def on_epoch_end(self):
        self._dataset.on_epoch_end()
