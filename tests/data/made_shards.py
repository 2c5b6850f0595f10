"""Shards of small cases that name themselves."""

import numpy as np
import tensorflow as tf

from tf_diffseg.data.example_schema import encode_example

SHAPE = (6, 5, 4)


def serialized_case(case):
    """Serializes case n: channel 0 is n, channel 1 and the label count the voxels."""
    place = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    return encode_example(
        uid=f"case_{case}",
        image=np.stack([np.full(SHAPE, case), place], axis=-1).astype(np.float32),
        label=place,
        spacing_mm=(1.0, 1.0, 2.0),
        source_affine=np.eye(4),
        source_label=np.full((2, 3, 4), case),
    )


def write_shard(path, records):
    """Writes serialized records to a TFRecord file; returns its path as text."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def write_shards(folder, *shards):
    """Writes shards, each a list of cases; returns their paths."""
    return [
        write_shard(folder / f"toy-{index}.tfrecord", map(serialized_case, cases))
        for index, cases in enumerate(shards)
    ]


def write_seven_cases(folder):
    """Writes three shards of the cases 0 to 6; returns their paths."""
    return write_shards(folder, [0, 1, 2], [3, 4, 5], [6])
