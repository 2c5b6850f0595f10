"""Batches of windows of the cases in TFRecord shards, to be scored in training."""

import itertools

import numpy as np
import tensorflow as tf

from tf_diffseg.data.augmentation.resampling import cut
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.pipeline_options import no_autograph, options
from tf_diffseg.data.record_reader import RecordReader
from tf_diffseg.data.shard_index import index_shards
from tf_diffseg.data.validation_batches import batches_of_windows, validated_windows


def validation_dataset(
    shard_paths, window_shape, batch_voxels=0, input_context=None, ignored_id=None
):
    """Batches of windows of each case, each once and without changes.

    They are those of `validation_batches`; all labels are read once to choose them. The
    scores do not depend on the batches.

    Args:
        shard_paths: paths of TFRecord files of `data.example_schema`, or `SomeCases`.
        window_shape: (x, y, z) voxels of a window: the shape of the patches that the
            network trains on. A smaller case is padded with its darkest value.
        batch_voxels: largest number of voxels of a batch, unless it has one window.
        input_context: `tf.distribute.InputContext` if a strategy asks for the dataset
            of one worker. Batches then are for one replica each and are dealt out in
            turn. All workers get equally many; the last ones may be empty. None for
            all batches.
        ignored_id: id of voxels whose class is not known, or None.

    Returns:
        Dataset of dicts: `image` float32 [batch, x, y, z, channels], `label` int32
        [batch, x, y, z].

    Raises:
        ShardError: a ValueError; a shard is missing or truncated.
    """
    windows = windows_of_cases(shard_paths, window_shape, ignored_id)
    num_replicas = input_context.num_replicas_in_sync if input_context else 1
    batches = batches_of_windows(windows, window_shape, batch_voxels, num_replicas)
    batches = _dealt(batches, input_context)
    read = RecordReader(index_shards(shard_paths), ("image", "label"))
    first_case = next(evaluation_dataset(shard_paths, ("image",)).as_numpy_iterator())
    num_channels = first_case["image"].shape[-1]

    @no_autograph
    def read_case(case):
        example = read(case)
        image = tf.ensure_shape(example["image"], [None, None, None, num_channels])
        return image, example["label"]

    filled = [batch for batch in batches if batch]
    dataset = _of_windows(filled, read_case, window_shape)
    empty = {
        "image": tf.zeros([0, *window_shape, num_channels]),
        "label": tf.zeros([0, *window_shape], tf.int32),
    }
    num_empty = len(batches) - len(filled)
    return (
        dataset.concatenate(tf.data.Dataset.from_tensors(empty).repeat(num_empty))
        .apply(tf.data.experimental.assert_cardinality(len(batches)))
        .with_options(options())
        .prefetch(1)
    )


def windows_of_cases(shard_paths, window_shape, ignored_id=None):
    """The windows of `validation_batches.validated_windows` of the cases in shards."""
    examples = evaluation_dataset(shard_paths, ("label",)).as_numpy_iterator()
    labels = (example["label"] for example in examples)
    return validated_windows(labels, window_shape, ignored_id)


def _dealt(batches, input_context):
    """Those of a worker, if there are several; the last ones may be empty."""
    if input_context is None:
        return batches
    num_replicas = input_context.num_replicas_in_sync
    per_worker = num_replicas // input_context.num_input_pipelines
    first = input_context.input_pipeline_id * per_worker
    mine = range(first, first + per_worker)
    batches = [*batches, *[[]] * (-len(batches) % num_replicas)]
    return [b for i, b in enumerate(batches) if i % num_replicas in mine]


def _of_windows(batches, read_case, window_shape):
    """Dataset of batches of `batches_of_windows`, which reads one case at a time."""
    rows = [window for batch in batches for window in batch]
    numbers = [len(list(of_case)) for _, of_case in itertools.groupby(rows, _case_of)]
    ends = np.cumsum([0, *numbers])
    windows = tf.constant(np.array(rows, np.int32).reshape(-1, 4))

    @no_autograph
    def of_case(first, last):
        image, label = read_case(tf.cast(windows[first, 0], tf.int64))

        @no_autograph
        def at(start):
            part, part_label = cut(image, label, start, window_shape)
            return {"image": part, "label": part_label}

        return tf.data.Dataset.from_tensor_slices(windows[first:last, 1:]).map(at)

    return (
        tf.data.Dataset.from_tensor_slices((ends[:-1], ends[1:]))
        .flat_map(of_case)
        .batch(max(map(len, batches), default=1))
    )


def _case_of(window):
    return window[0]
