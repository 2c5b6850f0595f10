"""Scores of a model on the cases of a split."""

import dataclasses
import sys

import numpy as np
import tensorflow as tf
import tqdm

from tf_diffseg.data.input_pipeline import evaluation_dataset
from tf_diffseg.inference import Segmenter, mean_over_samples
from tf_diffseg.metrics import dice_score, surface_metrics
from tf_diffseg.preprocessing import VolumePreprocessor


@dataclasses.dataclass(frozen=True)
class ScoredCase:
    """One case with its prediction and scores.

    Arrays of scores have one entry a class; those of a class that neither the
    ground truth nor the prediction has are NaN.

    Attributes:
        uid: name of the case.
        image: float32 [x, y, z, channels], preprocessed.
        spacing_mm: [3], of that grid.
        ground_truth: class ids [x, y, z] on that grid.
        predicted: class ids [x, y, z] on that grid.
        dice_per_step: [steps, num_classes], after each reverse step.
        hd95_mm: 95th percentile Hausdorff distance.
        true_volume_ml: of the ground truth.
        predicted_volume_ml: of the prediction.
    """

    uid: str
    image: np.ndarray
    spacing_mm: np.ndarray
    ground_truth: np.ndarray
    predicted: np.ndarray
    dice_per_step: np.ndarray
    hd95_mm: np.ndarray
    true_volume_ml: np.ndarray
    predicted_volume_ml: np.ndarray

    @property
    def dice(self):
        """[num_classes], after the last step."""
        return self.dice_per_step[-1]

    @property
    def mean_dice(self):
        """Mean over the foreground classes that are there; NaN if none is."""
        foreground = self.dice[1:]
        return np.nan if np.isnan(foreground).all() else np.nanmean(foreground)


def score_cases(model, manifest, shard_paths, num_cases, num_samples, seed):
    """Segments every case and scores it on the grid of its file.

    Args:
        model: `DiffusionUNet3D`.
        manifest: `Manifest` of the data.
        shard_paths: shards to read.
        num_cases: for the progress bar.
        num_samples: samples whose mean is taken.
        seed: of the sampling noise, the same for every case.

    Returns:
        List of `ScoredCase`, in the order of the shards.
    """
    preprocessor = VolumePreprocessor(**manifest.preprocessing)
    segmenter = Segmenter(model.sample, preprocessor, manifest.label_values)
    sample = tf.function(model.sample_trajectory, reduce_retracing=True)
    class_ids = tf.function(segmenter.class_ids, reduce_retracing=True)
    cases = []
    dataset = evaluation_dataset(shard_paths)
    progress = tqdm.tqdm(
        dataset,
        total=num_cases,
        desc="evaluate",
        unit="case",
        # Every case on a terminal, but not every one in a log file.
        mininterval=0.1 if sys.stderr.isatty() else 15.0,
    )
    for example in progress:
        trajectory = mean_over_samples(
            sample, example["image"][tf.newaxis], tf.constant([seed]), num_samples
        )[:, 0]
        per_step = [
            class_ids(step, example["source_shape"], example["source_affine"]).numpy()
            for step in trajectory
        ]
        cases.append(_score(example, per_step, trajectory[-1], manifest.num_classes))
    return cases


def _score(example, per_step, probabilities, num_classes):
    truth = example["source_label"].numpy()
    spacing_mm = np.linalg.norm(example["source_affine"].numpy()[:3, :3], axis=0)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    surface = surface_metrics(truth, per_step[-1], num_classes, spacing_mm)

    def volume_ml(label):
        return np.bincount(label.ravel(), minlength=num_classes) * voxel_ml

    def dice(label):
        score = dice_score(truth, label, num_classes)
        return np.where(score.is_defined, score.dice, np.nan)

    return ScoredCase(
        uid=example["uid"].numpy().decode(),
        image=example["image"].numpy(),
        spacing_mm=example["spacing_mm"].numpy(),
        ground_truth=example["label"].numpy(),
        predicted=tf.argmax(probabilities, axis=-1).numpy(),
        dice_per_step=np.stack([dice(label) for label in per_step]),
        hd95_mm=np.where(surface.is_defined, surface.hd95_mm, np.nan),
        true_volume_ml=volume_ml(truth),
        predicted_volume_ml=volume_ml(per_step[-1]),
    )
