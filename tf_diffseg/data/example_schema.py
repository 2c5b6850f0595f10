"""The features of one stored case: their only home, both ways.

A case is one `tf.train.Example`. A volume named `v` takes two features,
`v/value` (raw little-endian bytes, C order) and `v/shape`, which is how
TensorFlow Datasets lays out a tensor of unknown shape with encoding "bytes".

Two grids are kept. `image` and `label` lie on the processed grid, which the
network trains on. `source_label` lies on the grid of the user's file, with
`source_affine`, so that a prediction is judged where the user will see it.
"""

import numpy as np
import tensorflow as tf

KEYS = (
    "uid",
    "image",
    "label",
    "spacing_mm",
    "source_affine",
    "source_shape",
    "source_label",
)
TRAINING_KEYS = ("uid", "image", "label", "spacing_mm")


def shard_file_name(dataset, split, shard_index, num_shards):
    """Name of one TFRecord shard, e.g. `phantom-train.tfrecord-00000-of-00004`.

    Args:
        dataset: name of the data set as files spell it.
        split: name of the split.
        shard_index: in [0, num_shards).
        num_shards: number of shards of the split.

    Raises:
        ValueError: if `shard_index` is out of range.
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
        f"{name}/value": _bytes_feature(array.tobytes(order="C")),
        f"{name}/shape": _int_feature(array.shape),
    }


def _as_class_ids(name, label):
    """Checks class ids and stores them in one byte each where they fit."""
    label = np.asarray(label)
    if label.ndim != 3 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"{name} must be integer class ids of shape (x, y, z), "
            f"got {label.dtype} of shape {label.shape}"
        )
    if label.size and label.min() < 0:
        raise ValueError(f"{name} must not be negative, got {label.min()}")
    fits = not label.size or label.max() <= np.iinfo(np.uint8).max
    return label.astype(np.uint8 if fits else "<i4")


def _require_shape(name, array, shape):
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")


def encode_example(uid, image, label, spacing_mm, source_affine, source_label):
    """Serializes one case.

    Args:
        uid: name of the case, unique in its data set.
        image: float (x, y, z, channels), preprocessed.
        label: integer class ids (x, y, z) on the image's grid.
        spacing_mm: (x, y, z) voxel size of that grid.
        source_affine: (4, 4), voxel to world of the user's file.
        source_label: integer class ids (i, j, k) on the grid of that file.

    Returns:
        The serialized `tf.train.Example` as bytes.

    Raises:
        ValueError: if a shape or type is not as above.
    """
    image = np.asarray(image)
    if image.ndim != 4:
        raise ValueError(
            f"image must have shape (x, y, z, channels), got {image.shape}"
        )
    label = _as_class_ids("label", label)
    _require_shape("label", label, image.shape[:3])
    spacing_mm = np.asarray(spacing_mm)
    _require_shape("spacing_mm", spacing_mm, (3,))
    source_affine = np.asarray(source_affine)
    _require_shape("source_affine", source_affine, (4, 4))
    source_label = _as_class_ids("source_label", source_label)
    features = {
        "uid": _bytes_feature(uid.encode("utf-8")),
        **_volume_features("image", image.astype("<f4")),
        **_volume_features("label", label),
        "spacing_mm": _float_feature(spacing_mm),
        "source_affine": _float_feature(source_affine),
        **_volume_features("source_label", source_label),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Without `deterministic` the order of the features, hence the shard's
    # checksum, changes from one process to the next.
    return example.SerializeToString(deterministic=True)


def _volume_spec(name, rank):
    return {
        f"{name}/value": tf.io.FixedLenFeature([], tf.string),
        f"{name}/shape": tf.io.FixedLenFeature([rank], tf.int64),
    }


# What to read from the Example for each key that `parse_example` returns.
_SPECS = {
    "uid": {"uid": tf.io.FixedLenFeature([], tf.string)},
    "image": _volume_spec("image", 4),
    "label": _volume_spec("label", 3),
    "spacing_mm": {"spacing_mm": tf.io.FixedLenFeature([3], tf.float32)},
    "source_affine": {"source_affine": tf.io.FixedLenFeature([4, 4], tf.float32)},
    "source_shape": {"source_label/shape": tf.io.FixedLenFeature([3], tf.int64)},
    "source_label": _volume_spec("source_label", 3),
}


def _decode_image(parsed):
    image = tf.io.decode_raw(parsed["image/value"], tf.float32)
    return tf.reshape(image, parsed["image/shape"])


def _decode_class_ids(parsed, name):
    value, shape = parsed[f"{name}/value"], parsed[f"{name}/shape"]
    num_bytes = tf.cast(tf.strings.length(value), tf.int64)
    label = tf.cond(
        tf.equal(num_bytes, tf.reduce_prod(shape)),
        lambda: tf.cast(tf.io.decode_raw(value, tf.uint8), tf.int32),
        lambda: tf.io.decode_raw(value, tf.int32),
    )
    return tf.reshape(label, shape)


_DECODERS = {
    "image": _decode_image,
    "label": lambda parsed: _decode_class_ids(parsed, "label"),
    "source_shape": lambda parsed: tf.cast(parsed["source_label/shape"], tf.int32),
    "source_label": lambda parsed: _decode_class_ids(parsed, "source_label"),
}


def parse_example(serialized, keys=KEYS):
    """Parses one case, eagerly or inside `Dataset.map`.

    Args:
        serialized: scalar string tensor, from `encode_example`.
        keys: what to return, of `KEYS`; the rest is not decoded.
            `TRAINING_KEYS` leaves out the file's own grid.

    Returns:
        Dict from key to tensor: `uid` string, `image` float32 (x, y, z,
        channels), `label` int32 (x, y, z), `spacing_mm` float32 (3,),
        `source_affine` float32 (4, 4), `source_shape` int32 (3,),
        `source_label` int32 (i, j, k).

    Raises:
        ValueError: if `keys` names something an Example does not hold.
    """
    unknown = sorted(set(keys) - set(KEYS))
    if unknown:
        raise ValueError(f"keys must be of {KEYS}, got {unknown}")
    spec = {name: feature for key in keys for name, feature in _SPECS[key].items()}
    parsed = tf.io.parse_single_example(serialized, spec)
    return {
        key: _DECODERS[key](parsed) if key in _DECODERS else parsed[key] for key in keys
    }
