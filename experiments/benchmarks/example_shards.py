"""The shards that an input benchmark reads: the user's, or random ones."""

import contextlib
import dataclasses
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.example_schema import encode_example, shard_file_name
from tf_diffseg.data.manifest import read_manifest


@dataclasses.dataclass(frozen=True)
class ExampleShards:
    """Training cases to read.

    Attributes:
        paths: paths of the shards.
        num_examples: number of cases in them.
        shape: shape of the first case, (x, y, z).
        num_channels: number of channels of the images.
        num_classes: number of classes of the labels, with background.
    """

    paths: list[str]
    num_examples: int
    shape: tuple[int, int, int]
    num_channels: int
    num_classes: int


@contextlib.contextmanager
def example_shards(data_dir=None, shape=(40, 56, 40), num_examples=32):
    """Finds shards, or writes random ones that are removed afterwards.

    Args:
        data_dir: folder that `data_tools.convert_nifti` wrote, or None.
        shape: shape of the random volumes.
        num_examples: number of random volumes, in four shards.

    Yields:
        `ExampleShards`.

    Raises:
        InputError: `data_tools.convert_nifti` did not write `data_dir`.
    """
    if data_dir is not None:
        manifest = read_manifest(data_dir)
        paths = manifest.shard_paths(data_dir, "train")
        first = next(iter(evaluation_dataset(paths, ("label",))))
        yield ExampleShards(
            paths,
            len(manifest.split("train").uids),
            tuple(first["label"].shape),
            manifest.num_channels,
            manifest.num_classes,
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        names = [shard_file_name("random", "train", shard, 4) for shard in range(4)]
        paths = [str(pathlib.Path(folder) / name) for name in names]
        for shard, path in enumerate(paths):
            with tf.io.TFRecordWriter(path) as writer:
                for case in range(shard, num_examples, 4):
                    writer.write(_random_case(case, shape))
        yield ExampleShards(paths, num_examples, shape, 1, 3)


def _random_case(case, shape):
    generator = np.random.default_rng(case)
    return encode_example(
        uid=f"case_{case}",
        image=generator.standard_normal((*shape, 1), np.float32),
        label=generator.integers(0, 3, shape, np.uint8),
        spacing_mm=(1.0, 1.0, 1.0),
        source_affine=np.eye(4),
        source_label=np.zeros((1, 1, 1), np.uint8),
    )
