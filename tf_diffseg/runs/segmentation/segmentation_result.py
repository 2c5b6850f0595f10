"""The result of segmenting one volume."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """Result of a `VolumeSegmenter` for one volume, on the grid of the volume.

    Attributes:
        label: int32 [i, j, k], label values.
        entropy: float32 [i, j, k], see `tf_diffseg.inference.Prediction`. This and the
            next two are None if uncertainty was not asked for.
        variance: float32 [i, j, k].
        sample_volumes_ml: float64 [num_samples, num_classes].
    """

    label: np.ndarray
    entropy: np.ndarray | None = None
    variance: np.ndarray | None = None
    sample_volumes_ml: np.ndarray | None = None

    def volumes(self, class_names, label_values, voxel_ml):
        """Volumes of the foreground classes, for JSON.

        Args:
            class_names: name per class id, background first.
            label_values: label value per class id.
            voxel_ml: volume of a voxel in ml.

        Returns:
            Dict from class name to a dict of `volume_ml` of the label map, and of
            `mean_ml`, `std_ml`, `interval_ml` (2.5 to 97.5 percent) and `samples_ml`
            of the samples.
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
