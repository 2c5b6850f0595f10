"""Examples are serialized to the bytes of Protocol Buffers."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.example_wire import example_parts


def _serialized(features):
    return b"".join(example_parts(features))


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


# Some sizes are close to where a length takes one more byte.
@pytest.mark.parametrize("size", [0, 1, 100, 125, 128, 16380, 16384, 2**21 + 5])
@pytest.mark.parametrize("dtype", [np.uint8, "<f4"])
def test_the_bytes_are_those_of_the_message(size, dtype):
    volume = np.arange(size).astype(dtype)
    small = {
        "b/shape": _ints([-1, 0, 300]),
        "uid": _bytes("é".encode()),
        "B": _ints([]),
    }
    serialized = _serialized({"image/value": volume, **small})
    features = {"image/value": _bytes(volume.tobytes()), **small}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    assert serialized == example.SerializeToString(deterministic=True)
    assert tf.train.Example.FromString(serialized) == example


def test_an_example_may_have_no_features():
    assert tf.train.Example.FromString(_serialized({})) == tf.train.Example(
        features=tf.train.Features()
    )


def test_shape_of_a_volume_does_not_matter():
    volume = np.arange(24, dtype=np.int16)
    assert _serialized({"a": volume.reshape(2, 3, 4)}) == _serialized({"a": volume})
