"""Scores trained models on the cases of a split."""

import functools

import numpy as np
import tensorflow as tf

from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.shard_errors import named_shard_errors
from tf_diffseg.evaluation.case_scores import CaseScores, CaseVolumes
from tf_diffseg.evaluation.error_auroc import error_auroc
from tf_diffseg.evaluation.metric_columns import TOLERANCES_MM
from tf_diffseg.evaluation.target_dice import dice_of_targets, expected_dice
from tf_diffseg.inference import PostProcessing
from tf_diffseg.inference.memory_errors import named_memory_errors
from tf_diffseg.metrics import case_metrics, only_known, voxel_ml
from tf_diffseg.preprocessing.source_grid import SourceGrid
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.window_progress import WindowProgress


class CaseScorer:
    """Segments cases and scores them on the grids of their files.

    Args:
        segmenter: a `Segmenter`, whose sample function may give reverse steps.
        targets: `Targets` of the network.
        shard_paths: shards to read.
        num_samples: number of samples to average.
        seed: seed of the sampling noise, the same for every case.
        batch_size: number of samples to draw at a time.
        post_processing: `PostProcessing` of the label maps that are scored.
        resampling: `ScanResampling` of the network, which says whether a spacing is
            unlike that of training; None to skip this check.
        ignored_id: class id of voxels whose true class is not known, or None.
        window_progress: `WindowProgress` that the segmenter's windows call, or None.

    Attributes:
        outside_uids: uids of the cases scored so far whose spacing is unlike that of
            training.
    """

    def __init__(
        self,
        segmenter,
        targets,
        shard_paths,
        num_samples=1,
        seed=0,
        batch_size=1,
        post_processing=None,
        resampling=None,
        ignored_id=None,
        window_progress=None,
    ):
        self._preprocessor = segmenter.preprocessor
        self._targets = targets
        self._shard_paths = shard_paths
        self._seed = tf.constant(seed)
        self._post_processing = post_processing or PostProcessing()
        self._resampling = resampling
        self._ignored_id = ignored_id
        self._progress = window_progress or WindowProgress(num_samples)
        self.outside_uids = []
        self._predict = tf.function(
            functools.partial(
                segmenter.predict_preprocessed,
                num_samples=num_samples,
                batch_size=batch_size,
            ),
            reduce_retracing=True,
            autograph=False,
        )

    def score(self, uids, description="evaluate"):
        """Scores cases, in the order of the shards.

        The caller should drop volumes early: those of a whole data set may not fit in
        memory.

        Args:
            uids: uids of the cases; others are skipped.
            description: text of the progress bar.

        Yields:
            Pairs of `CaseScores` and `CaseVolumes`.
        """
        progress = progress_bar(len(uids), "case", description)
        with progress, named_shard_errors():
            for example in evaluation_dataset(self._shard_paths):
                uid = example["uid"].numpy().decode()
                if uid in uids:
                    self._note_spacing(uid, example["source_affine"])
                    with (
                        named_memory_errors(f"case {uid}"),
                        self._progress.of_case(uid),
                    ):
                        scored = self._score_example(example)
                    yield scored
                    progress.update()

    def _note_spacing(self, uid, affine):
        if self._resampling is None or uid in self.outside_uids:
            return
        if self._resampling.is_outside(affine):
            self.outside_uids.append(uid)

    def _score_example(self, example):
        source = SourceGrid.of_example(example)
        affine = example["source_affine"].numpy()
        counted = {}
        if self._ignored_id is not None:
            counted["is_counted"] = example["source_label"] != self._ignored_id
        prediction = self._predict(example["image"], source, self._seed, **counted)
        label = self._cleaned(prediction.class_ids.numpy(), affine)
        if self._post_processing.is_active:
            drawn = self._preprocessor.label(label, source)
        else:
            drawn = prediction.preprocessed_class_ids
        volumes = CaseVolumes(
            image=example["image"].numpy(),
            spacing_mm=example["spacing_mm"].numpy(),
            affine=self._preprocessor.stored_affine(source).numpy(),
            ground_truth=example["label"].numpy(),
            predicted=drawn.numpy(),
            entropy=prediction.preprocessed_entropy.numpy(),
        )
        return self._scores(example, prediction, label, affine), volumes

    def _cleaned(self, class_ids, affine):
        if not self._post_processing.is_active:
            return class_ids
        return self._post_processing(class_ids, voxel_ml(affine))

    def _scores(self, example, prediction, label, affine):
        truth, ignored_id = example["source_label"].numpy(), self._ignored_id
        probabilities = self._with_background(prediction.probabilities.numpy())
        class_ids = self._targets.class_ids
        steps = [
            self._cleaned(step, affine) for step in prediction.step_class_ids.numpy()
        ]
        dice_per_step = [
            dice_of_targets(truth, step, class_ids, ignored_id) for step in steps
        ]
        _, known_label, is_known = only_known(truth, label, ignored_id)
        is_known = np.ones(truth.shape, bool) if is_known is None else is_known
        return CaseScores(
            uid=example["uid"].numpy().decode(),
            metrics=case_metrics(
                truth,
                label,
                len(self._targets.names),
                affine,
                TOLERANCES_MM,
                probabilities,
                class_ids,
                ignored_id,
            ),
            dice_per_step=np.stack(dice_per_step),
            sample_volumes_ml=self._sample_voxels(prediction) * voxel_ml(affine),
            expected_dice=expected_dice(
                probabilities, known_label, class_ids, is_known
            ),
            error_auroc=error_auroc(truth, label, prediction.entropy.numpy(), is_known),
            ignored_voxels=int(np.count_nonzero(~is_known)),
        )

    def _with_background(self, probabilities):
        """Probabilities with one channel for each of `Targets.names`."""
        if self._targets.region_labels is None:
            return probabilities
        nothing = 1.0 - probabilities.max(axis=-1, keepdims=True)
        return np.concatenate([nothing, probabilities], axis=-1)

    def _sample_voxels(self, prediction):
        """Number of voxels of each target in each sample, [num_samples, targets]."""
        voxels = prediction.sample_voxels.numpy()
        target_ids = [(0,), *self._targets.class_ids]
        return np.stack([voxels[:, list(ids)].sum(1) for ids in target_ids], axis=1)
