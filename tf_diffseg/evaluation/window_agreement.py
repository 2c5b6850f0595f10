"""Whether windows show: a volume segmented whole, and window by window."""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_diffseg.data.input_pipeline import evaluation_dataset
from tf_diffseg.evaluation.target_dice import dice_of_targets


@dataclasses.dataclass(frozen=True)
class WindowAgreement:
    """Dice of one case, [targets] each, on the network's grid; NaN as `Targets` has it.

    Attributes:
        uid: name of the case.
        windows_whole: of the label map by windows with that of the whole volume.
        seeds_whole: of two of the whole volume, from different noise: no two
            segmentations can be expected to agree better.
        windows_truth: of the label map by windows with the ground truth.
        whole_truth: of that of the whole volume with it.
    """

    uid: str
    windows_whole: np.ndarray
    seeds_whole: np.ndarray
    windows_truth: np.ndarray
    whole_truth: np.ndarray


def window_agreement(trained, shard_paths, uids):
    """Segments cases whole and by windows.

    Args:
        trained: `TrainedModels` of one model, whose options say what windows.
        shard_paths: shards to read.
        uids: names of the cases.

    Yields:
        `WindowAgreement` of each case.
    """
    (model,) = trained.models
    segmenter = trained.segmenter()
    class_ids = trained.targets.class_ids
    ignored_id = trained.manifest.num_classes  # Whether or not there are any.
    label_of = {
        "whole": _labels(segmenter, model.sample),
        "windows": _labels(segmenter, segmenter.sample),
    }
    for example in evaluation_dataset(shard_paths):
        uid = example["uid"].numpy().decode()
        if uid not in uids:
            continue
        image, truth = example["image"], example["label"].numpy()
        seed = trained.options.seed
        whole = label_of["whole"](image, seed)
        windows = label_of["windows"](image, seed)
        again = label_of["whole"](image, seed ^ 1)  # Another, in the range of seeds.
        yield WindowAgreement(
            uid,
            windows_whole=dice_of_targets(whole, windows, class_ids),
            seeds_whole=dice_of_targets(whole, again, class_ids),
            windows_truth=dice_of_targets(truth, windows, class_ids, ignored_id),
            whole_truth=dice_of_targets(truth, whole, class_ids, ignored_id),
        )


def _labels(segmenter, sample):
    """Function (image [x, y, z, c], seed) -> class ids [x, y, z], by `sample`."""

    @tf.function(reduce_retracing=True, autograph=False)
    def label(image, seed):
        return segmenter.label(sample(image[tf.newaxis], seed[tf.newaxis])[0])

    return lambda image, seed: label(image, tf.constant(seed)).numpy()
