"""Labels checked before a step takes them, with one error in plain words.

A step asserts what its labels are. XLA, which is the default on GPUs, drops that: ids
that are no classes would train as if they were none. So arrays are looked at before the
first step, and what gives batches is looked at batch by batch, outside of what XLA
compiles.
"""

import contextlib
import inspect

import keras
import tensorflow as tf

from tf_diffseg.training.batches.labels import told


@contextlib.contextmanager
def plain_errors():
    """Turns TensorFlow's account of a wrong label into a ValueError of one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        message = told(error)
        if message is None:
            raise
        raise ValueError(message) from None


def checked_data(data, label_ids, asserts):
    """What `fit` or `evaluate` is given, with its labels looked at.

    Args:
        data: tuple (x, y, ...) of arrays, or of a source of batches alone; or such a
            source: a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator.
        label_ids: `LabelIds`.
        asserts: whether a step does so itself; then batches pass as they are.

    Returns:
        The same, or the source with a look at each batch. What is none of these passes
        as it is.

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
        return (_looked_at(batch, label_ids) for batch in data)
    return data


def _label_of(batch):
    """The label of a dict, or of a tuple (image, label, ...); None without one."""
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
    for number in range(len(label)):  # One by one: no second copy of all of them.
        with plain_errors():
            label_ids.checked(label[number])


def _looked_at(batch, label_ids):
    _check_array(_label_of(batch), label_ids)
    return batch


def _asserted(batch, label_ids):
    """A batch of a `tf.data.Dataset`, whose label is whole numbers, asserted."""
    if isinstance(batch[0], dict):
        (example,) = batch
        return {**example, "label": label_ids.checked(example["label"])}
    if len(batch) < 2:  # Of no label: told by what takes it apart.
        return batch
    image, label, *others = batch
    return (image, label_ids.checked(label), *others)


class _CheckedPyDataset(keras.utils.PyDataset):
    """Another `PyDataset`, with a look at each batch."""

    def __init__(self, dataset, label_ids):
        super().__init__(
            dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size
        )
        self._dataset = dataset
        self._label_ids = label_ids

    def __getitem__(self, index):
        return _looked_at(self._dataset[index], self._label_ids)

    @property
    def num_batches(self):
        return self._dataset.num_batches

    def on_epoch_begin(self):
        self._dataset.on_epoch_begin()

    def on_epoch_end(self):
        self._dataset.on_epoch_end()
