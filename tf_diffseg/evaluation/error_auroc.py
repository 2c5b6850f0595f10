"""How well uncertainty finds errors."""

import numpy as np
from scipy import stats


def error_auroc(truth, label, entropy, is_known=True):
    """Area under the ROC curve of entropy as a test for wrong voxels.

    Args:
        truth: class ids [x, y, z].
        label: predicted class ids [x, y, z].
        entropy: float [x, y, z].
        is_known: bool [x, y, z], or True; other voxels do not count.

    Returns:
        Float, over the box around all foreground; NaN if all voxels or none are wrong.
    """
    foreground = np.nonzero(((truth > 0) | (label > 0)) & is_known)
    if not len(foreground[0]):
        return np.nan
    box = tuple(slice(axis.min(), axis.max() + 1) for axis in foreground)
    counted = np.broadcast_to(is_known, truth.shape)[box]
    is_wrong = (truth[box] != label[box])[counted]
    num_wrong = np.count_nonzero(is_wrong)
    num_right = is_wrong.size - num_wrong
    if not num_wrong or not num_right:
        return np.nan
    # The Mann-Whitney U statistic, over its largest value.
    ranks = stats.rankdata(entropy[box][counted])[is_wrong].sum()
    return float((ranks - num_wrong * (num_wrong + 1) / 2) / (num_wrong * num_right))
