"""Scores of a model on the cases of a split."""

import dataclasses
import sys

import numpy as np
import tensorflow as tf
import tqdm

from experiments.shard_errors import named_shard_errors
from tf_diffseg.data.input_pipeline import evaluation_dataset
from tf_diffseg.inference import Segmenter, mean_over_samples
from tf_diffseg.metrics import dice_score, surface_metrics
from tf_diffseg.preprocessing import VolumePreprocessor


@dataclasses.dataclass(frozen=True)
class CaseVolumes:
    """What is drawn of a case.

    Attributes:
        image: float32 [x, y, z, channels], preprocessed.
        spacing_mm: [3], of that grid.
        ground_truth: class ids [x, y, z] on that grid.
        predicted: class ids [x, y, z] on that grid.
    """

    image: np.ndarray
    spacing_mm: np.ndarray
    ground_truth: np.ndarray
    predicted: np.ndarray


@dataclasses.dataclass(frozen=True)
class CaseScores:
    """Scores of one case.

    Arrays have one entry a class; those of a class that neither the ground truth
    nor the prediction has are NaN.

    Attributes:
        uid: name of the case.
        dice_per_step: [steps, num_classes], after each reverse step.
        hd95_mm: 95th percentile Hausdorff distance.
        true_volume_ml: of the ground truth.
        predicted_volume_ml: of the prediction.
    """

    uid: str
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


class CaseScorer:
    """Segments cases and scores them on the grids of their files.

    Args:
        model: `DiffusionUNet3D`.
        manifest: `Manifest` of the data.
        shard_paths: shards to read.
        num_samples: samples whose mean is taken.
        seed: of the sampling noise, the same for every case.
    """

    def __init__(self, model, manifest, shard_paths, num_samples, seed):
        preprocessor = VolumePreprocessor(**manifest.preprocessing)
        segmenter = Segmenter(model.sample, preprocessor, manifest.label_values)
        self._num_classes = manifest.num_classes
        self._shard_paths = shard_paths
        self._num_samples = num_samples
        self._seed = seed
        self._sample = tf.function(model.sample_trajectory, reduce_retracing=True)
        self._class_ids = tf.function(segmenter.class_ids, reduce_retracing=True)

    def score(self, uids, description="evaluate"):
        """Scores cases, in the order of the shards.

        Volumes are for the caller to drop: those of all cases of a data set may be
        more than memory holds.

        Args:
            uids: names of the cases; others are passed over.
            description: what the progress bar says.

        Yields:
            Pairs of `CaseScores` and `CaseVolumes`.
        """
        progress = tqdm.tqdm(
            total=len(uids),
            desc=description,
            unit="case",
            # Every case on a terminal, but not every one in a log file.
            mininterval=0.1 if sys.stderr.isatty() else 15.0,
        )
        with progress, named_shard_errors():
            for example in evaluation_dataset(self._shard_paths):
                if example["uid"].numpy().decode() in uids:
                    yield self._score_example(example)
                    progress.update()

    def _score_example(self, example):
        trajectory = mean_over_samples(
            self._sample,
            example["image"][tf.newaxis],
            tf.constant([self._seed]),
            self._num_samples,
        )[:, 0]
        place = [example[key] for key in ("source_shape", "source_affine", "crop_box")]
        per_step = [self._class_ids(step, *place).numpy() for step in trajectory]
        volumes = CaseVolumes(
            image=example["image"].numpy(),
            spacing_mm=example["spacing_mm"].numpy(),
            ground_truth=example["label"].numpy(),
            predicted=tf.argmax(trajectory[-1], axis=-1).numpy(),
        )
        return _score(example, per_step, self._num_classes), volumes


def _score(example, per_step, num_classes):
    truth = example["source_label"].numpy()
    spacing_mm = np.linalg.norm(example["source_affine"].numpy()[:3, :3], axis=0)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    surface = surface_metrics(truth, per_step[-1], num_classes, spacing_mm)

    def volume_ml(label):
        return np.bincount(label.ravel(), minlength=num_classes) * voxel_ml

    def dice(label):
        score = dice_score(truth, label, num_classes)
        return np.where(score.is_defined, score.dice, np.nan)

    return CaseScores(
        uid=example["uid"].numpy().decode(),
        dice_per_step=np.stack([dice(label) for label in per_step]),
        hd95_mm=np.where(surface.is_defined, surface.hd95_mm, np.nan),
        true_volume_ml=volume_ml(truth),
        predicted_volume_ml=volume_ml(per_step[-1]),
    )
