"""A run validates as its network will segment: window by window."""

import json

import numpy as np
import pytest

from tests.data_tools.cube_shards import cube_shards
from tf_diffseg import load_pretrained
from tf_diffseg.data.augmentation.resampling import cut
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.data.windows import window_of, window_starts
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training import train

_SHAPES = [(8, 8, 8), (14, 9, 6), (20, 8, 11)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.5, "validation": 0.5}
    return cube_shards(folder, folder / "shards", split, 8, shapes=_SHAPES)


@pytest.mark.parametrize(
    "strategy, patch_shape, kernel_size",
    [
        ("recycling", (8, 8, 8), (3, 3, 3)),
        ("supervised", (8, 8, 1), (3, 3, 1)),
        ("supervised", (24, 16, 16), (3, 3, 3)),
    ],
)
def test_the_score_is_the_mean_over_windows(
    shards, tmp_path, strategy, patch_shape, kernel_size
):
    config = TrainConfig(
        patch_shape=patch_shape,
        kernel_size=kernel_size,
        scale_factor=tuple(2 if size == 3 else 1 for size in kernel_size),
        num_channels=(4, 8),
        num_heads=0,
        batch_size=2,
        epochs=8,
        validation_frequency=8,
        learning_rate=2e-2,
        patches_per_volume=4,
        foreground_share=1.0,
        strategy=strategy,
    )
    train(config, shards, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    found = json.loads(lines[-1])["val_dice"]
    assert found == pytest.approx(_expected(shards, tmp_path, patch_shape), abs=1e-4)
    assert found > 0.05
    assert sorted((tmp_path / "pictures").glob("*.png"))


def _expected(shards, run, window_shape):
    model, manifest = load_pretrained(run), read_manifest(shards)
    scores, seen = [], set()
    for case in evaluation_dataset(manifest.shard_paths(shards, "validation")):
        seen.add(tuple(case["label"].shape))
        for start in window_starts(case["label"].shape, window_shape):
            if not window_of(case["label"].numpy(), start, window_shape).any():
                continue
            image, label = cut(case["image"], case["label"], start, window_shape)
            probabilities = model.sample(image[None], np.zeros([1], np.int32))[0]
            predicted, label = np.argmax(probabilities, -1), label.numpy()
            if (size := predicted.sum() + label.sum()) > 0:
                scores.append(2.0 * (predicted * label).sum() / size)
    assert len(seen) > 1
    return np.mean(scores)
