"""Writes and reads the features of a stored case.

A case is one `tf.train.Example`. A volume named `v` has two features, `v/value` (raw
little-endian bytes, C order) and `v/shape`. TensorFlow Datasets stores a tensor of
unknown shape in this way if its encoding is "bytes".

An Example has two grids. `image` and `label` lie on the processed grid, on which the
network trains. `source_label` lies on the grid of the user's file, where a prediction
is scored; `source_affine` places this grid in the world, and `crop_box` is the part of
it from which the processed grid was made.

A volume has the smallest type that holds it exactly, the same type in all cases of a
data set. The number of classes decides the type of class ids, `image/dtype` tells that
of images.
"""

import math

import numpy as np
import tensorflow as tf

from tf_diffseg.data import example_wire

KEYS = (
    "uid",
    "image",
    "label",
    "spacing_mm",
    "source_affine",
    "source_shape",
    "source_label",
    "crop_box",
)
TRAINING_KEYS = ("uid", "image", "label", "spacing_mm")

# Types in which images may be stored, the smallest first. Parsed images are float32.
IMAGE_DTYPES = ("uint8", "int16", "uint16", "float32")
_LABEL_DTYPES = ("uint8", "uint16", "int32")

# Largest size of an Example without its volumes.
_OTHER_BYTES = 4096

# First voxel and size as `tf.slice` takes them; -1 is to the end.
_WHOLE_BOX = ((0, 0, 0), (-1, -1, -1))


def shard_file_name(dataset, split, shard_index, num_shards):
    """Makes the name of a shard, such as `phantom-train.tfrecord-00000-of-00004`.

    Raises:
        ValueError: `shard_index` is not in [0, num_shards).
    """
    if not 0 <= shard_index < num_shards:
        raise ValueError(f"shard_index must be in [0, {num_shards}), got {shard_index}")
    return f"{dataset}-{split}.tfrecord-{shard_index:05d}-of-{num_shards:05d}"


def _bytes_feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _float_feature(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))


def _int_feature(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _volume_features(name, array):
    return {
        f"{name}/value": np.ascontiguousarray(array),
        f"{name}/shape": _int_feature(array.shape),
    }


def smallest_image_dtype(low, high, is_whole):
    """Returns the first of `IMAGE_DTYPES` that holds every value of an image.

    Args:
        low: smallest value of the image.
        high: largest value of the image.
        is_whole: whether all values are whole numbers.
    """
    for dtype in IMAGE_DTYPES[:-1] if is_whole else ():
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return dtype
    return IMAGE_DTYPES[-1]


def label_dtype(num_classes):
    """Returns the type in which class ids are stored."""
    return next(d for d in _LABEL_DTYPES if num_classes - 1 <= np.iinfo(d).max)


def example_bytes(image_shape, source_shape, num_classes, image_dtype):
    """Returns the size of a serialized case, or up to 4096 bytes more.

    No program reads more than `example_wire.LARGEST_EXAMPLE_BYTES`.

    Args:
        image_shape: (x, y, z, channels) of the preprocessed image.
        source_shape: (i, j, k) of the file.
        num_classes: number of classes of the data set.
        image_dtype: one of `IMAGE_DTYPES`.
    """
    *shape, channels = map(int, image_shape)
    image_bytes = channels * np.dtype(image_dtype).itemsize
    label_bytes = np.dtype(label_dtype(num_classes)).itemsize
    voxels, source_voxels = math.prod(shape), math.prod(map(int, source_shape))
    num_bytes = voxels * (image_bytes + label_bytes) + source_voxels * label_bytes
    return num_bytes + _OTHER_BYTES


def _as_class_ids(name, label, num_classes):
    """Checks class ids and converts them to the smallest type for all classes."""
    label = np.asarray(label)
    if label.ndim != 3 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"{name} must be integer class ids of shape (x, y, z), "
            f"got {label.dtype} of shape {label.shape}"
        )
    if label.size and label.min() < 0:
        raise ValueError(f"{name} must not be negative, got {label.min()}")
    if label.size and label.max() >= num_classes:
        raise ValueError(
            f"{name} must be below the number of classes, {num_classes}, "
            f"got {label.max()}"
        )
    return _little_endian(label, label_dtype(num_classes))


def _little_endian(array, dtype):
    return array.astype(np.dtype(dtype).newbyteorder("<"), copy=False)


def _as_image(image, dtype):
    """Converts an image to a type that holds its values exactly."""
    if dtype not in IMAGE_DTYPES:
        raise ValueError(f"image_dtype must be one of {IMAGE_DTYPES}, got {dtype!r}")
    stored = _little_endian(image, dtype)
    if dtype != IMAGE_DTYPES[-1] and not np.array_equal(stored, image):
        raise ValueError(f"image_dtype={dtype} does not hold the image's values")
    return stored


def _require_shape(name, array, shape):
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def example_parts(
    uid,
    image,
    label,
    spacing_mm,
    source_affine,
    source_label,
    num_classes=256,
    crop_box=_WHOLE_BOX,
    image_dtype="float32",
):
    """Serializes one case, without a copy of its volumes.

    Args:
        uid: name of the case, unique in its data set.
        image: float (x, y, z, channels), preprocessed.
        label: integer class ids (x, y, z) on the grid of the image.
        spacing_mm: (x, y, z), voxel size of that grid.
        source_affine: (4, 4), voxel to world of the user's file.
        source_label: integer class ids (i, j, k) on the grid of that file.
        num_classes: number of classes of the data set; it decides the stored type of
            class ids.
        crop_box: int (2, 3), box of the `SourceGrid`.
        image_dtype: stored type of the image, one of `IMAGE_DTYPES`.

    Returns:
        List of bytes and of views of the arrays. Joined they are the serialized
        `tf.train.Example`.

    Raises:
        ValueError: a shape, type or value is not as above.
    """
    image = np.asarray(image)
    if image.ndim != 4:
        raise ValueError(
            f"image must have shape (x, y, z, channels), got {image.shape}"
        )
    label = _as_class_ids("label", label, num_classes)
    _require_shape("label", label, image.shape[:3])
    spacing_mm = np.asarray(spacing_mm)
    _require_shape("spacing_mm", spacing_mm, (3,))
    source_affine = np.asarray(source_affine)
    _require_shape("source_affine", source_affine, (4, 4))
    source_label = _as_class_ids("source_label", source_label, num_classes)
    crop_box = np.asarray(crop_box)
    _require_shape("crop_box", crop_box, (2, 3))
    features = {
        "uid": _bytes_feature(uid.encode("utf-8")),
        **_volume_features("image", _as_image(image, image_dtype)),
        "image/dtype": _bytes_feature(image_dtype.encode()),
        **_volume_features("label", label),
        "spacing_mm": _float_feature(spacing_mm),
        "source_affine": _float_feature(source_affine),
        **_volume_features("source_label", source_label),
        "crop_box": _int_feature(crop_box.ravel()),
    }
    return example_wire.example_parts(features)


def encode_example(*arguments, **keywords):
    """Serializes one case to bytes; takes the arguments of `example_parts`."""
    return b"".join(example_parts(*arguments, **keywords))


def _volume_spec(name, rank):
    return {
        f"{name}/value": tf.io.FixedLenFeature([], tf.string),
        f"{name}/shape": tf.io.FixedLenFeature([rank], tf.int64),
    }


# Features to read from an Example for each key that `parse_example` returns.
_SPECS = {
    "uid": {"uid": tf.io.FixedLenFeature([], tf.string)},
    "image": {
        **_volume_spec("image", 4),
        "image/dtype": tf.io.FixedLenFeature([], tf.string, "float32"),
    },
    "label": _volume_spec("label", 3),
    "spacing_mm": {"spacing_mm": tf.io.FixedLenFeature([3], tf.float32)},
    "source_affine": {"source_affine": tf.io.FixedLenFeature([4, 4], tf.float32)},
    "source_shape": {"source_label/shape": tf.io.FixedLenFeature([3], tf.int64)},
    "source_label": _volume_spec("source_label", 3),
    "crop_box": {"crop_box": tf.io.FixedLenFeature([2, 3], tf.int64, _WHOLE_BOX)},
}


def _decode(value, dtypes, index, to_dtype):
    """Decodes raw bytes of type `dtypes[index]`; `index` is a tensor."""

    def decode_as(dtype):
        return lambda: tf.cast(tf.io.decode_raw(value, tf.as_dtype(dtype)), to_dtype)

    return tf.switch_case(index, [decode_as(dtype) for dtype in dtypes])


def _decode_image(parsed):
    is_dtype = tf.equal(tf.constant(IMAGE_DTYPES), parsed["image/dtype"])
    index = tf.argmax(tf.cast(is_dtype, tf.int32), output_type=tf.int32)
    image = _decode(parsed["image/value"], IMAGE_DTYPES, index, tf.float32)
    return tf.reshape(image, parsed["image/shape"])


def _decode_class_ids(parsed, name):
    value, shape = parsed[f"{name}/value"], parsed[f"{name}/shape"]
    num_bytes = tf.cast(tf.strings.length(value), tf.int64)
    bytes_per_voxel = num_bytes // tf.maximum(tf.reduce_prod(shape), 1)  # 1, 2 or 4
    index = tf.cast(bytes_per_voxel // 2, tf.int32)
    label = _decode(value, _LABEL_DTYPES, index, tf.int32)
    return tf.reshape(label, shape)


_DECODERS = {
    "image": _decode_image,
    "label": lambda parsed: _decode_class_ids(parsed, "label"),
    "source_shape": lambda parsed: tf.cast(parsed["source_label/shape"], tf.int32),
    "source_label": lambda parsed: _decode_class_ids(parsed, "source_label"),
    "crop_box": lambda parsed: tf.cast(parsed["crop_box"], tf.int32),
}


def parse_example(serialized, keys=KEYS):
    """Parses one case, eagerly or inside `Dataset.map`.

    Args:
        serialized: scalar string tensor, from `encode_example`.
        keys: keys to return, of `KEYS`. The others are not decoded; `TRAINING_KEYS`
            leaves out the grid of the file.

    Returns:
        Dict from key to tensor: `uid` string, `image` float32 (x, y, z, channels),
        `label` int32 (x, y, z), `spacing_mm` float32 (3,), `source_affine` float32
        (4, 4), `source_shape` int32 (3,), `source_label` int32 (i, j, k), `crop_box`
        int32 (2, 3).

    Raises:
        ValueError: a key is not one of `KEYS`.
    """
    unknown = sorted(set(keys) - set(KEYS))
    if unknown:
        raise ValueError(f"keys must be of {KEYS}, got {unknown}")
    spec = {name: feature for key in keys for name, feature in _SPECS[key].items()}
    parsed = tf.io.parse_single_example(serialized, spec)
    return {
        key: _DECODERS[key](parsed) if key in _DECODERS else parsed[key] for key in keys
    }
