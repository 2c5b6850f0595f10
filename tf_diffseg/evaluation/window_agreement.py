"""Whether windows change a result: a volume segmented whole and window by window."""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.evaluation.target_dice import dice_of_targets


@dataclasses.dataclass(frozen=True)
class WindowAgreement:
    """Dice between label maps of one case, [targets], on the network's grid.

    Attributes:
        uid: name of the case.
        windows_whole: label map by windows with that of the whole volume.
        seeds_whole: two label maps of the whole volume, from different noise: windows
            cannot be expected to agree better.
        windows_truth: label map by windows with the ground truth.
        whole_truth: label map of the whole volume with the ground truth.
    """

    uid: str
    windows_whole: np.ndarray
    seeds_whole: np.ndarray
    windows_truth: np.ndarray
    whole_truth: np.ndarray


def window_agreement(trained, shard_paths, uids):
    """Segments cases whole and by windows.

    Args:
        trained: `TrainedModels` of one model, whose options give the windows.
        shard_paths: shards to read.
        uids: uids of the cases.

    Yields:
        `WindowAgreement` of each case.
    """
    (model,) = trained.models
    segmenter = trained.segmenter()
    class_ids = trained.targets.class_ids
    ignored_id = (
        trained.manifest.num_classes
    )  # Without ignored voxels, no voxel has it.
    label_whole = _labelling(segmenter, model.sample)
    label_windows = _labelling(segmenter, segmenter.sample)
    for example in evaluation_dataset(shard_paths):
        uid = example["uid"].numpy().decode()
        if uid not in uids:
            continue
        image, truth = example["image"], example["label"].numpy()
        seed = trained.options.seed
        whole = label_whole(image, seed)
        windows = label_windows(image, seed)
        again = label_whole(image, seed ^ 1)  # Another seed within the range of seeds.
        yield WindowAgreement(
            uid,
            windows_whole=dice_of_targets(whole, windows, class_ids),
            seeds_whole=dice_of_targets(whole, again, class_ids),
            windows_truth=dice_of_targets(truth, windows, class_ids, ignored_id),
            whole_truth=dice_of_targets(truth, whole, class_ids, ignored_id),
        )


def _labelling(segmenter, sample):
    """Function (image [x, y, z, c], seed) -> class ids [x, y, z], by `sample`."""

    @tf.function(reduce_retracing=True, autograph=False)
    def label(image, seed):
        return segmenter.label(sample(image[tf.newaxis], seed[tf.newaxis])[0])

    return lambda image, seed: label(image, tf.constant(seed)).numpy()
