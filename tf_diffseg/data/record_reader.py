"""Reads one case of a shard, inside or outside of a dataset."""

import re

import tensorflow as tf

from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.data.shard_index import AFTER_DATA, BEFORE_DATA, VERIFY

# Reading goes through a buffer of at most this many bytes.
_BUFFER_BYTES = 1 << 20
_MESSAGE = re.compile(r"shard .+? is damaged in record \d+; " + re.escape(VERIFY))


class RecordReader:
    """Reads any case of an index, eagerly or inside `Dataset.map`.

    Args:
        index: `shard_index.ShardIndex`.
        keys: which of `example_schema.KEYS` to read.
    """

    def __init__(self, index, keys):
        self._keys = tuple(keys)
        self._paths = tf.constant(index.paths, tf.string)
        # One row per record.
        self._columns = tf.stack(
            [index.shard, index.number, index.offset, index.num_bytes], axis=1
        )
        self._is_gzip = bool(index.is_gzip.any())
        sizes = [tf.io.gfile.stat(path).length for path in index.paths]
        self._sizes = tf.constant(sizes, tf.int64)

    @tf.autograph.experimental.do_not_convert
    def __call__(self, case):
        """Reads a case.

        Args:
            case: int scalar, in [0, len(index)).

        Returns:
            Dict as `parse_example` returns it.

        Raises:
            tf.errors.InvalidArgumentError: the record is damaged. The message names
                shard and record, see `damaged_record`.
        """
        shard, number, offset, num_bytes = tf.unstack(self._columns[case])
        path = self._paths[shard]
        if self._is_gzip:
            after = self._sizes[shard] - offset - num_bytes
            record = _gzip_record(path, offset, num_bytes, after)
        else:
            record = _record(path, offset, num_bytes)
        # Only one attempt: a file that cannot be opened fails again and again, and
        # `ignore_errors` would never stop reading.
        attempts = tf.data.Dataset.zip(tf.data.Dataset.range(1), record)
        examples = attempts.map(lambda _, data: (True, parse_example(data, self._keys)))
        # A record that cannot be read or parsed is left out, and then gets an error
        # here: TensorFlow's own message names neither file nor record.
        nothing = tf.nest.map_structure(_empty, examples.element_spec[1])
        is_whole, example = (
            examples.ignore_errors()
            .concatenate(tf.data.Dataset.from_tensors((False, nothing)))
            .take(1)
            .get_single_element()
        )
        number = tf.strings.as_string(number)
        message = tf.strings.join(
            ["shard ", path, " is damaged in record ", number, "; ", VERIFY]
        )
        with tf.control_dependencies([tf.debugging.Assert(is_whole, [message])]):
            return tf.nest.map_structure(tf.identity, example)


def _record(path, offset, num_bytes):
    return tf.data.experimental.from_variant(
        tf.raw_ops.TFRecordDatasetV2(
            filenames=path[tf.newaxis],
            compression_type="",
            buffer_size=tf.minimum(num_bytes, _BUFFER_BYTES),
            byte_offsets=offset[tf.newaxis],
        ),
        tf.TensorSpec([], tf.string),
    ).take(1)


def _gzip_record(path, offset, num_bytes, after):
    """Makes a dataset of the record in a `gzip_member` that `after` bytes follow."""

    def data(member):
        # gzip checks its own checksum; that of the record inside is not needed.
        record = tf.io.decode_compressed(member, "GZIP")
        num_data = tf.strings.length(record) - BEFORE_DATA - AFTER_DATA
        return tf.strings.substr(record, BEFORE_DATA, num_data)

    return tf.data.FixedLengthRecordDataset(
        path, record_bytes=num_bytes, header_bytes=offset, footer_bytes=after
    ).map(data)


def damaged_record(error):
    """Returns the line in an exception that names a damaged record, or None."""
    match = _MESSAGE.search(str(error))
    return match and match.group()


def _empty(spec):
    return tf.zeros([size or 0 for size in spec.shape], spec.dtype)
