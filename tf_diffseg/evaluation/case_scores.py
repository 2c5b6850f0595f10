"""The scores of a case, and its volumes for pictures."""

import dataclasses

import numpy as np

from tf_diffseg.evaluation.means import foreground_mean
from tf_diffseg.metrics import CaseMetrics


@dataclasses.dataclass(frozen=True)
class CaseVolumes:
    """The volumes of a case that pictures show, on the network's grid.

    Attributes:
        image: float32 [x, y, z, channels], preprocessed.
        spacing_mm: [3].
        ground_truth: class ids [x, y, z]; `Manifest.ignored_id` if the class is not
            known.
        predicted: class ids [x, y, z].
        entropy: float32 [x, y, z], uncertainty of the prediction, in nats.
        affine: [4, 4], voxel to world in mm; None for a grid around the origin.
    """

    image: np.ndarray
    spacing_mm: np.ndarray
    ground_truth: np.ndarray
    predicted: np.ndarray
    entropy: np.ndarray
    affine: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class CaseScores:
    """Scores of one case, on the grid of its file, per target (see `Targets`).

    Attributes:
        uid: name of the case.
        metrics: `CaseMetrics` per target, with surface Dice at `TOLERANCES_MM`.
        dice_per_step: [steps, targets], Dice after each reverse step; NaN as in
            `metrics`.
        sample_volumes_ml: [num_samples, targets], volume in each sample's label map,
            counted where the true class is known.
        expected_dice: the Dice that the prediction expects of itself: Dice of the label
            map with the probabilities, mean over its foreground targets; NaN if it has
            none.
        error_auroc: area under the ROC curve of entropy as a test for wrong voxels, in
            the box around all foreground; NaN if all voxels or none are wrong.
        ignored_voxels: number of voxels without a true class; they are in no score.
    """

    uid: str
    metrics: CaseMetrics
    dice_per_step: np.ndarray
    sample_volumes_ml: np.ndarray
    expected_dice: float = np.nan
    error_auroc: float = np.nan
    ignored_voxels: int = 0

    @property
    def dice(self):
        """[targets], NaN if neither truth nor prediction has the target."""
        return self.metrics.dice

    @property
    def hd95_mm(self):
        """[targets], in mm, NaN as in `metrics`."""
        return self.metrics.hd95_mm

    @property
    def surface_dice(self):
        """[len(TOLERANCES_MM), targets], NaN as in `metrics`."""
        return np.stack(self.metrics.surface_dice)

    @property
    def mean_dice(self):
        """Mean over the foreground targets whose Dice is defined; NaN without any."""
        return float(foreground_mean(self.dice[1:]))
