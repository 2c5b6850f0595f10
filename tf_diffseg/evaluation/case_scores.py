"""What an evaluation keeps of a case: its scores, and what is drawn of it."""

import dataclasses

import numpy as np

from tf_diffseg.evaluation.means import foreground_mean
from tf_diffseg.metrics import CaseMetrics


@dataclasses.dataclass(frozen=True)
class CaseVolumes:
    """What is drawn of a case, on the network's grid.

    Attributes:
        image: float32 [x, y, z, channels], preprocessed.
        spacing_mm: [3], of that grid.
        ground_truth: class ids [x, y, z] on that grid, `Manifest.ignored_id` of the
            data where the class is not known.
        predicted: class ids [x, y, z] on that grid.
        entropy: float32 [x, y, z], how unsure the prediction is, in nats.
        affine: [4, 4], of that grid, voxel to world in mm, where the scan lies; None
            for a grid in the middle of the world.
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
        metrics: `CaseMetrics`, per class; surface Dice at `TOLERANCES_MM`.
        dice_per_step: [steps, targets], after each reverse step; NaN as there.
        sample_volumes_ml: [num_samples, targets], of each sample's label map, where
            the true class is known.
        expected_dice: what the prediction takes its own Dice to be: that of the
            label map with the probabilities, mean over its foreground classes; NaN
            where it has none.
        error_auroc: how well entropy tells wrong voxels from right ones in the box
            around all foreground: the area under the ROC curve; NaN where all or
            none is wrong.
        ignored_voxels: how many voxels have no true class; they are in no score.
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
        """[targets], NaN where neither truth nor prediction has one."""
        return self.metrics.dice

    @property
    def hd95_mm(self):
        """[targets], NaN as there."""
        return self.metrics.hd95_mm

    @property
    def surface_dice(self):
        """[len(TOLERANCES_MM), targets], NaN as there."""
        return np.stack(self.metrics.surface_dice)

    @property
    def mean_dice(self):
        """Mean over the foreground classes that are there; NaN if none is."""
        return float(foreground_mean(self.dice[1:]))
