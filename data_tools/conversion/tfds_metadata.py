"""Writes `dataset_info.json` and `features.json` beside the shards.

With these, `tfds.builder_from_directory(folder)` opens a converted data set; see
https://www.tensorflow.org/datasets/external_tfrecord. Writing them does not need
TensorFlow Datasets.
"""

import pathlib

from tf_diffseg.data.example_schema import label_dtype
from tf_diffseg.whole_files import write_json

_FEATURES = "tensorflow_datasets.core.features"


def _tensor(dtype, shape=(), encoding="none"):
    # -1 stands for any size; proto JSON writes 64 bit integers as strings.
    dimensions = {"dimensions": [str(size) for size in shape]} if shape else {}
    return {
        "pythonClassName": f"{_FEATURES}.tensor_feature.Tensor",
        "tensor": {"shape": dimensions, "dtype": dtype, "encoding": encoding},
    }


def _features(manifest):
    """The features of `tf_diffseg.data.example_schema` in the format of TFDS."""
    image_shape = (-1, -1, -1, manifest.num_channels)
    class_ids = _tensor(label_dtype(manifest.num_labels), (-1, -1, -1), "bytes")
    return {
        "uid": _tensor("string"),
        "image": _tensor(manifest.image_dtype, image_shape, "bytes"),
        "label": class_ids,
        "spacing_mm": _tensor("float32", (3,)),
        "source_affine": _tensor("float32", (4, 4)),
        "source_label": class_ids,
        "crop_box": _tensor("int64", (2, 3)),
    }


def _split_info(name, split):
    return {
        "name": name,
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "shardLengths": [str(shard.num_examples) for shard in split.shards],
    }


def write_tfds_metadata(folder, manifest):
    """Writes both files into the folder of the shards, from their `Manifest`."""
    dataset_info = {
        "name": manifest.dataset,
        "version": f"{manifest.format_version}.0.0",
        "description": f"{manifest.modality}: {', '.join(manifest.class_names)}",
        "redistributionInfo": {"license": manifest.license},
        "fileFormat": "tfrecord",
        "splits": [_split_info(*item) for item in manifest.splits.items()],
    }
    features = {
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        "featuresDict": {"features": _features(manifest)},
    }
    for name, content in (("dataset_info", dataset_info), ("features", features)):
        write_json(pathlib.Path(folder) / f"{name}.json", content, indent=1)
