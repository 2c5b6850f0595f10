"""What segmenting one volume gives."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """What a `VolumeSegmenter` gives for one volume, on its own grid.

    Attributes:
        label: int32 [i, j, k], values of the data set's label files.
        entropy: float32 [i, j, k], see `tf_diffseg.inference.Prediction`; None where
            it was not asked for, like the rest.
        variance: float32 [i, j, k].
        sample_volumes_ml: float64 [num_samples, num_classes].
    """

    label: np.ndarray
    entropy: np.ndarray | None = None
    variance: np.ndarray | None = None
    sample_volumes_ml: np.ndarray | None = None

    def volumes(self, class_names, label_values, voxel_ml):
        """Volumes of the foreground classes, JSON-able.

        Args:
            class_names: name per class id, background first.
            label_values: value in label files per class id.
            voxel_ml: volume of a voxel.

        Returns:
            Dict from class name to `volume_ml`, of the label map, and over the
            samples `mean_ml`, `std_ml`, `interval_ml` (2.5 to 97.5 percent) and
            `samples_ml`.
        """
        found = {}
        for class_id, name in list(enumerate(class_names))[1:]:
            samples = self.sample_volumes_ml[:, class_id]
            voxels = np.count_nonzero(self.label == label_values[class_id])
            interval = np.percentile(samples, (2.5, 97.5))
            found[name] = {
                "volume_ml": round(voxels * voxel_ml, 6),
                "mean_ml": round(float(samples.mean()), 6),
                "std_ml": round(float(samples.std()), 6),
                "interval_ml": [round(float(value), 6) for value in interval],
                "samples_ml": [round(float(value), 6) for value in samples],
            }
        return found
