"""Makes batches of the cases in TFRecord shards."""

import itertools

import numpy as np
import tensorflow as tf

from tf_diffseg.data.augmentation.chain import augment
from tf_diffseg.data.augmentation.options import check_options
from tf_diffseg.data.augmentation.random_numbers import fold_in, split
from tf_diffseg.data.augmentation.resampling import cut
from tf_diffseg.data.epoch_order import EpochOrder, Remainder
from tf_diffseg.data.example_schema import KEYS, TRAINING_KEYS
from tf_diffseg.data.random_patch import patch_start
from tf_diffseg.data.record_reader import RecordReader
from tf_diffseg.data.shard_index import VERIFY, ShardError, index_shards
from tf_diffseg.data.validation_batches import batches_of_windows, validated_windows

# How many batches wait for the trainer. A fixed number bounds the memory.
_WAITING_BATCHES = 4
# No function here branches on tensors in Python. AutoGraph would need longer to convert
# them than TensorFlow needs to build the graph.
_no_autograph = tf.autograph.experimental.do_not_convert


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
    index = index_shards(shard_paths)
    if len(index) != num_examples:
        raise ShardError(
            f"the shards {', '.join(index.paths)} hold {len(index)} cases, expected "
            f"{num_examples}; {VERIFY}"
        )
    read = RecordReader(index, TRAINING_KEYS)
    mine, replica_batch_size = _worker_share(batch_size, input_context)

    first_step += first_epoch * order.steps_per_epoch
    first_round, first_patch = divmod(first_step, patches_per_volume)
    patch_signature = {
        "image": tf.TensorSpec([*patch_shape, None], tf.float32),
        "label": tf.TensorSpec(patch_shape, tf.int32),
    }

    @_no_autograph
    def cases_of_round(round_index):
        cases, seeds = order.cases(round_index, tf.constant([seed, 0], tf.int64))
        skipped = tf.constant(first_patch, tf.int64)
        skipped = tf.where(round_index == first_round, skipped, 0)
        return tf.data.Dataset.from_tensor_slices(
            (cases[mine], seeds[mine], tf.repeat(skipped, mine.stop - mine.start))
        )

    @_no_autograph
    def load(case, seed_case, skipped):
        example = read(case)

        def patch(number):
            seed_place, seed_change = split(fold_in(seed_case, number), 2)
            start = patch_start(
                example["label"],
                patch_shape,
                seed_place,
                foreground_share,
                balance_classes,
                ignored_id,
            )
            changed = augment(example, seed_change, start, patch_shape, **augmentation)
            return {"image": changed["image"], "label": changed["label"]}

        return _map_range(patch, patches_per_volume, patch_signature), skipped

    @_no_autograph
    def batches_of_round(patches, skipped):
        # (cases, patches, ...) to (batches, cases of a replica, ...)
        batches = tf.nest.map_structure(
            lambda values: _patch_by_patch(values, replica_batch_size), patches
        )
        num_replicas = (mine.stop - mine.start) // replica_batch_size
        return tf.data.Dataset.from_tensor_slices(batches).skip(
            skipped[0] * num_replicas
        )

    # Rounds are the source, so a `tf.data` service distributes them over its workers.
    dataset = (
        tf.data.Dataset.range(first_round, tf.int64.max)
        .flat_map(cases_of_round)
        .map(load, num_parallel_calls=num_parallel_calls, deterministic=True)
        .batch(mine.stop - mine.start, drop_remainder=True)
        .flat_map(batches_of_round)
        .with_options(_options())
    )
    if data_service:
        dataset = dataset.apply(
            tf.data.experimental.service.distribute(
                tf.data.experimental.service.ShardingPolicy.DYNAMIC, data_service
            )
        )
    return dataset.prefetch(_WAITING_BATCHES)


def evaluation_dataset(shard_paths, keys=KEYS, input_context=None):
    """Whole cases, one by one and in the order of the shards.

    Args:
        shard_paths: paths of TFRecord files of `data.example_schema`, or `SomeCases`.
        keys: which of `data.example_schema.KEYS` to read.
        input_context: `tf.distribute.InputContext` of one of n workers, which gets
            every n-th case; None for all cases.

    Returns:
        Dataset of dicts as `parse_example` returns them, without a batch axis.

    Raises:
        ShardError: a ValueError; a shard is missing or truncated.

    Example:
        >>> for example in evaluation_dataset(shard_paths):
        ...     label = example["source_label"]  # On the grid of the file.
    """
    index = index_shards(shard_paths)
    first = input_context.input_pipeline_id if input_context else 0
    step = input_context.num_input_pipelines if input_context else 1
    return (
        tf.data.Dataset.range(first, len(index), step)
        .map(
            RecordReader(index, keys),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .with_options(_options())
        .prefetch(1)
    )


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
    examples = evaluation_dataset(shard_paths, ("label",)).as_numpy_iterator()
    labels = (example["label"] for example in examples)
    windows = validated_windows(labels, window_shape, ignored_id)
    num_replicas = input_context.num_replicas_in_sync if input_context else 1
    batches = batches_of_windows(windows, window_shape, batch_voxels, num_replicas)
    batches = _dealt(batches, input_context)
    read = RecordReader(index_shards(shard_paths), ("image", "label"))
    first_case = next(evaluation_dataset(shard_paths, ("image",)).as_numpy_iterator())
    num_channels = first_case["image"].shape[-1]

    @_no_autograph
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
        .with_options(_options())
        .prefetch(1)
    )


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

    @_no_autograph
    def of_case(first, last):
        image, label = read_case(tf.cast(windows[first, 0], tf.int64))

        @_no_autograph
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


def _options():
    options = tf.data.Options()
    options.deterministic = True
    # Cases are loaded in parallel. Parallel operations too would only cost time and
    # make sums depend on the number of threads.
    options.threading.max_intra_op_parallelism = 1
    return options
