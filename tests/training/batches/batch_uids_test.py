import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.example_schema import encode_example, shard_file_name
from tf_diffseg.data.training_pipeline import training_dataset
from tf_diffseg.training.batches.batch_uids import batch_uids

_NUM_CASES = 5


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    """Shards of cases whose voxels all hold their number."""
    folder = tmp_path_factory.mktemp("shards")
    paths = [str(folder / shard_file_name("toy", "train", n, 2)) for n in range(2)]
    for path, cases in zip(paths, ([0, 1, 2], [3, 4]), strict=True):
        with tf.io.TFRecordWriter(path) as writer:
            for case in cases:
                volume = np.full((3, 3, 3), case)
                writer.write(
                    encode_example(
                        uid=f"case_{case}",
                        image=volume[..., np.newaxis].astype(np.float32),
                        label=volume,
                        spacing_mm=(1.0, 1.0, 1.0),
                        source_affine=np.eye(4),
                        source_label=volume,
                    )
                )
    return paths


@pytest.mark.parametrize(
    "patches_per_volume, remainder", [(1, "drop"), (1, "pad"), (3, "drop")]
)
def test_names_the_cases_of_each_batch(shard_paths, patches_per_volume, remainder):
    steps_per_epoch = {"drop": 2, "pad": 3}[remainder] * patches_per_volume
    arguments = {"patches_per_volume": patches_per_volume, "remainder": remainder}
    batches = training_dataset(
        shard_paths, _NUM_CASES, (2, 2, 2), 2, seed=3, **arguments
    )
    first_two_epochs = batches.take(2 * steps_per_epoch).as_numpy_iterator()
    for number, batch in enumerate(first_two_epochs):
        epoch, step = divmod(number, steps_per_epoch)
        found = batch_uids(shard_paths, _NUM_CASES, 2, 3, epoch, step, **arguments)
        assert found == [f"case_{case}" for case in batch["label"][:, 0, 0, 0]]
