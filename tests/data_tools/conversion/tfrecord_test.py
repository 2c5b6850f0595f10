"""The bytes are the same as from TensorFlow's own writer."""

import numpy as np
import pytest
import tensorflow as tf

from data_tools.conversion.tfrecord import write_record


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 200_001])
def test_same_file(tmp_path, size):
    volume = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    parts = [b"abc", memoryview(volume), b"", b"d", volume.tobytes()]
    expected = tmp_path / "expected"
    with tf.io.TFRecordWriter(str(expected)) as writer:
        writer.write(b"".join(parts))
    write_record(tmp_path / "record", parts)
    assert (tmp_path / "record").read_bytes() == expected.read_bytes()
