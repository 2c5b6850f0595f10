"""From TFRecord shards to batches."""

import tensorflow as tf

from tf_diffseg.data.augmentation import augment
from tf_diffseg.data.example_schema import KEYS, TRAINING_KEYS, parse_example
from tf_diffseg.data.random_patch import random_patch


def training_dataset(
    shard_paths,
    num_examples,
    patch_shape,
    batch_size,
    seed=0,
    first_epoch=0,
    shuffle_buffer=256,
    **augmentation,
):
    """Batches of augmented random patches, epoch after epoch without end.

    The order of the cases, their augmentation and their patches are functions of (seed,
    epoch, position in the epoch), so a run that starts at `first_epoch` sees what
    an uninterrupted one would have seen. An epoch has `num_examples //
    batch_size` batches; the cases left over are others in every epoch.

    Args:
        shard_paths: TFRecord files of `data.example_schema`.
        num_examples: cases in them.
        patch_shape: three ints.
        batch_size: examples in a batch, over all replicas.
        seed: int.
        first_epoch: epoch to start with.
        shuffle_buffer: how many serialized cases are shuffled at a time.
        **augmentation: arguments of `augmentation.augment`; without any, cases
            stay as they are.

    Returns:
        Infinite dataset of dicts: `image` float32 [batch, x, y, z, channels],
        `label` int32 [batch, x, y, z].

    Raises:
        ValueError: there are fewer cases than the batch has examples.
    """
    if num_examples < batch_size:
        raise ValueError(
            f"batch_size must be at most the {num_examples} training cases, "
            f"got {batch_size}"
        )
    whole_batches = num_examples // batch_size * batch_size

    def one_epoch(epoch):
        seed_epoch = _fold_in(tf.constant([seed, 0], tf.int64), epoch)
        records = _shuffled_records(shard_paths, shuffle_buffer, seed_epoch)
        return (
            records.take(whole_batches)
            .enumerate()
            .map(lambda index, record: (_fold_in(seed_epoch, index), record))
        )

    def load(seed_example, record):
        example = parse_example(record, TRAINING_KEYS)
        seed_change, seed_patch = tf.unstack(
            tf.random.split(seed_example, alg=tf.random.Algorithm.PHILOX)
        )
        image, label = augment(
            example["image"],
            example["label"],
            example["spacing_mm"],
            seed_change,
            **augmentation,
        )
        image, label = random_patch(image, label, patch_shape, seed_patch)
        return {"image": image, "label": label}

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
    return (
        epochs.flat_map(one_epoch)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_dataset(shard_paths, keys=KEYS):
    """Whole cases, one by one and in the order of the shards.

    Args:
        shard_paths: TFRecord files of `data.example_schema`.
        keys: which of `data.example_schema.KEYS` to read.

    Returns:
        Dataset of dicts as `parse_example` returns them, without a batch axis.
    """
    return (
        tf.data.TFRecordDataset(shard_paths)
        .map(
            lambda record: parse_example(record, keys),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def _shuffled_records(shard_paths, shuffle_buffer, seed):
    """The shards in random order, and their records within windows of a size.

    `Dataset.shuffle` would draw from TensorFlow's global seed as well.
    """
    shuffle = tf.random.experimental.stateless_shuffle
    paths = shuffle(tf.constant(shard_paths), seed, alg=tf.random.Algorithm.PHILOX)
    return (
        tf.data.TFRecordDataset(paths)
        .batch(shuffle_buffer)
        .enumerate()
        .map(lambda index, window: shuffle(window, _fold_in(seed, index)))
        .unbatch()
    )


def _fold_in(seed, value):
    return tf.random.experimental.stateless_fold_in(
        seed, value, alg=tf.random.Algorithm.PHILOX
    )
