"""Dice of label maps, target by target."""

import numpy as np

from tf_diffseg.metrics import dice_score_from_masks, only_known, region_mask


def dice_of_targets(truth, label, class_ids, ignored_id=None):
    """Dice of two label maps.

    Args:
        truth: class ids, of any shape.
        label: class ids of the same shape.
        class_ids: as in `Targets`.
        ignored_id: class id in the truth of voxels whose class is not known, or None.

    Returns:
        [targets], NaN for background and for targets in neither label map.
    """
    truth, label, _ = only_known(truth, label, ignored_id)
    found = [np.nan]
    for ids in class_ids:
        masks = (region_mask(each, ids)[..., np.newaxis] for each in (truth, label))
        score = dice_score_from_masks(*masks)
        found.append(score.dice[0] if score.is_defined[0] else np.nan)
    return np.array(found)


def expected_dice(probabilities, label, class_ids, is_known=True):
    """Dice of a label map with probabilities [..., targets], mean over its targets."""
    found = []
    for target, ids in enumerate(class_ids, start=1):
        mask, probability = region_mask(label, ids), probabilities[..., target]
        if mask.any():
            total = np.count_nonzero(mask) + probability.sum(
                dtype=np.float64, where=is_known
            )
            found.append(2.0 * probability[mask].sum(dtype=np.float64) / total)
    return float(np.mean(found)) if found else np.nan
