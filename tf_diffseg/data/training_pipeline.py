"""Batches of augmented patches of the cases in TFRecord shards."""

import functools

import tensorflow as tf

from tf_diffseg.data.augmentation.chain import augment
from tf_diffseg.data.augmentation.options import check_options
from tf_diffseg.data.augmentation.random_numbers import fold_in, split
from tf_diffseg.data.epoch_order import EpochOrder, Remainder
from tf_diffseg.data.example_schema import TRAINING_KEYS
from tf_diffseg.data.pipeline_options import no_autograph, options
from tf_diffseg.data.random_patch import patch_start
from tf_diffseg.data.record_reader import RecordReader
from tf_diffseg.data.shard_index import VERIFY, ShardError, index_shards

# How many batches wait for the trainer. A fixed number bounds the memory.
_WAITING_BATCHES = 4


def training_dataset(
    shard_paths,
    num_examples,
    patch_shape,
    batch_size,
    seed=0,
    first_epoch=0,
    first_step=0,
    patches_per_volume=1,
    foreground_share=0.0,
    balance_classes=False,
    remainder=Remainder.DROP,
    input_context=None,
    data_service=None,
    num_parallel_calls=tf.data.AUTOTUNE,
    ignored_id=None,
    **augmentation,
):
    """Batches of augmented random patches, epoch after epoch without end.

    The seed, the epoch and the step alone decide which cases are in a batch, and their
    patches and augmentation. A run that starts at some step gets the batches of a run
    without interruption. Cases are read one by one from any place in the shards: every
    order is equally likely, and the memory does not grow with the number of cases.

    Args:
        shard_paths: paths of TFRecord files of `data.example_schema`, or `SomeCases`.
        num_examples: number of cases that they must hold.
        patch_shape: three ints.
        batch_size: examples in a batch, over all workers and replicas.
        seed: int.
        first_epoch: epoch to start in.
        first_step: step of that epoch to start with.
        patches_per_volume: patches to cut from a decoded volume, each for one of as
            many consecutive batches.
        foreground_share: share of patches that are centred on foreground, see
            `random_patch.patch_start`.
        balance_classes: whether these are centred on each class equally often.
        remainder: `Remainder` or its value: what happens to cases that do not fill the
            last batch of an epoch.
        input_context: `tf.distribute.InputContext` if a strategy asks for the dataset
            of one worker. The worker gets its part of each batch, in batches of one
            replica. All parts together are the batches of a single worker.
        data_service: address of the dispatcher of a `tf.data` service that shall run
            the pipeline, such as "grpc://localhost:5050", or None.
        num_parallel_calls: how many cases are loaded at once. The batches do not depend
            on it.
        ignored_id: see `random_patch.patch_start`.
        **augmentation: options of `augmentation.augment`; without options cases are
            not changed.

    Returns:
        Infinite dataset of dicts: `image` float32 [batch, x, y, z, channels],
        `label` int32 [batch, x, y, z].

    Raises:
        ShardError: a ValueError; the shards hold another number of cases, or one is
            missing or truncated.
        ValueError: an argument is out of range.

    Example:
        >>> batches = training_dataset(
        ...     shard_paths, num_examples=3, patch_shape=(8, 8, 8), batch_size=2
        ... )
        >>> next(iter(batches))["image"].shape
        TensorShape([2, 8, 8, 8, 1])
    """
    check_options(augmentation)
    order = EpochOrder(num_examples, batch_size, patches_per_volume, remainder)
    index = _checked_index(shard_paths, num_examples)
    mine, replica_batch_size = _worker_share(batch_size, input_context)
    first_step += first_epoch * order.steps_per_epoch
    first_round, first_patch = divmod(first_step, patches_per_volume)
    placing = {
        "foreground_share": foreground_share,
        "balance_classes": balance_classes,
        "ignored_id": ignored_id,
    }
    load = _loader(
        RecordReader(index, TRAINING_KEYS),
        functools.partial(_patch, patch_shape, placing, augmentation),
        patches_per_volume,
        patch_shape,
    )
    # Rounds are the source, so a `tf.data` service distributes them over its workers.
    dataset = (
        tf.data.Dataset.range(first_round, tf.int64.max)
        .flat_map(_cases_of_rounds(order, seed, mine, first_round, first_patch))
        .map(load, num_parallel_calls=num_parallel_calls, deterministic=True)
        .batch(mine.stop - mine.start, drop_remainder=True)
        .flat_map(_batches_of_rounds(mine, replica_batch_size))
        .with_options(options())
    )
    if data_service:
        dataset = dataset.apply(
            tf.data.experimental.service.distribute(
                tf.data.experimental.service.ShardingPolicy.DYNAMIC, data_service
            )
        )
    return dataset.prefetch(_WAITING_BATCHES)


def _checked_index(shard_paths, num_examples):
    index = index_shards(shard_paths)
    if len(index) != num_examples:
        raise ShardError(
            f"the shards {', '.join(index.paths)} hold {len(index)} cases, expected "
            f"{num_examples}; {VERIFY}"
        )
    return index


def _cases_of_rounds(order, seed, mine, first_round, first_patch):
    """Function from a round to the dataset of its cases, with what the first skips."""

    @no_autograph
    def cases_of_round(round_index):
        cases, seeds = order.cases(round_index, tf.constant([seed, 0], tf.int64))
        skipped = tf.constant(first_patch, tf.int64)
        skipped = tf.where(round_index == first_round, skipped, 0)
        return tf.data.Dataset.from_tensor_slices(
            (cases[mine], seeds[mine], tf.repeat(skipped, mine.stop - mine.start))
        )

    return cases_of_round


def _loader(read, patch, patches_per_volume, patch_shape):
    """Function that reads a case and cuts its patches."""
    signature = {
        "image": tf.TensorSpec([*patch_shape, None], tf.float32),
        "label": tf.TensorSpec(patch_shape, tf.int32),
    }

    @no_autograph
    def load(case, seed_case, skipped):
        example = read(case)

        def numbered(number):
            return patch(example, fold_in(seed_case, number))

        return _map_range(numbered, patches_per_volume, signature), skipped

    return load


def _patch(patch_shape, placing, augmentation, example, seed):
    """A patch of an example, augmented."""
    seed_place, seed_change = split(seed, 2)
    start = patch_start(example["label"], patch_shape, seed_place, **placing)
    changed = augment(example, seed_change, start, patch_shape, **augmentation)
    return {"image": changed["image"], "label": changed["label"]}


def _batches_of_rounds(mine, replica_batch_size):
    """Function from the patches of a round to the dataset of its batches."""
    num_replicas = (mine.stop - mine.start) // replica_batch_size

    @no_autograph
    def batches_of_round(patches, skipped):
        # (cases, patches, ...) to (batches, cases of a replica, ...)
        batches = tf.nest.map_structure(
            lambda values: _patch_by_patch(values, replica_batch_size), patches
        )
        return tf.data.Dataset.from_tensor_slices(batches).skip(
            skipped[0] * num_replicas
        )

    return batches_of_round


def _worker_share(batch_size, input_context):
    """Returns the slice of a batch that a worker loads, and the batch of a replica."""
    if input_context is None:
        return slice(0, batch_size), batch_size
    num_replicas = input_context.num_replicas_in_sync
    num_workers = input_context.num_input_pipelines
    if batch_size % num_replicas or batch_size % num_workers:
        raise ValueError(
            f"batch_size must be a multiple of the {num_replicas} replicas and the "
            f"{num_workers} workers, got {batch_size}"
        )
    share = batch_size // num_workers
    first = input_context.input_pipeline_id * share
    return slice(first, first + share), batch_size // num_replicas


def _map_range(function, num, signature):
    """Stacks the results of a function of 0 to num - 1."""
    if num == 1:  # The most common case needs no loop.
        return tf.nest.map_structure(
            lambda value: value[tf.newaxis], function(tf.constant(0, tf.int64))
        )
    numbers = tf.range(num, dtype=tf.int64)
    return tf.map_fn(function, numbers, fn_output_signature=signature)


def _patch_by_patch(values, replica_batch_size):
    """Turns [cases, patches, ...] into [batches, replica_batch_size, ...]."""
    num_batches = values.shape[0] * values.shape[1] // replica_batch_size
    if values.shape[1] > 1:
        values = tf.transpose(values, [1, 0, *range(2, values.shape.rank)])
    rest = tf.shape(values)[2:]
    shape = [num_batches, replica_batch_size, *values.shape[2:]]
    values = tf.reshape(values, tf.concat([shape[:2], rest], axis=0))
    return tf.ensure_shape(values, shape)
