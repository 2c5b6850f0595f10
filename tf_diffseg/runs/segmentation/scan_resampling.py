"""What becomes of a scan whose voxel size a model was not trained on."""

import functools

from tf_diffseg.errors import InputError

# Of the fingerprint's `spacing_mm`, in the order of `TrainedSpacing`.
_KEYS = ("min", "median", "max")

# Cases that a line names.
_MOST_SHOWN = 5


class ScanResampling:
    """Decides, for one model, which scans are resampled, and tells of it.

    Args:
        preprocessing: config of the model's `VolumePreprocessor`.
        fingerprint: of its training data, as its manifest has it; empty where
            the model does not tell, which shards converted long ago do not.
        resample: "auto", or "never" to segment every scan on its own voxels.

    Raises:
        InputError: "never" is asked for of a model that resamples every scan.
    """

    def __init__(self, preprocessing, fingerprint, resample="auto"):
        self._preprocessing = preprocessing
        self._spread = (fingerprint or {}).get("spacing_mm")
        self._resample = resample
        self._fixed_mm = preprocessing.get("spacing_mm")
        if self._fixed_mm is not None and resample == "never":
            raise InputError(
                "resample=never does not apply: the model brings every scan to "
                f"{_by(self._fixed_mm)} mm, as it was trained",
                argument="resample",
            )

    @functools.cached_property
    def preprocessor(self):
        """The `VolumePreprocessor` that does so."""
        from tf_diffseg.preprocessing import VolumePreprocessor

        if self._resample == "never" or self._fitting is None:
            return VolumePreprocessor(**self._preprocessing)
        return self._fitting

    @functools.cached_property
    def _fitting(self):
        """`FittedPreprocessor`, or None where it would be no other."""
        from tf_diffseg.preprocessing import FittedPreprocessor

        if self._trained is None:
            return None
        return FittedPreprocessor(self._trained, **self._preprocessing)

    @functools.cached_property
    def _trained(self):
        """`TrainedSpacing`, or None where it is not known or has no say."""
        from tf_diffseg.preprocessing import TrainedSpacing

        if self._spread is None or self._fixed_mm is not None:
            return None
        try:
            return TrainedSpacing(*(self._spread[key] for key in _KEYS))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "the model's fingerprint is damaged: expected min, median and max of "
                f"spacing_mm over the training cases, got {self._spread} ({error})"
            ) from error

    def is_outside(self, affine):
        """Whether a scan of an affine (4, 4) has voxels unlike the training data's."""
        return self._fitting is not None and bool(self._fitting.is_outside(affine))

    def preprocessing_of(self, affine):
        """`preprocessing`, with the spacing that a scan is really brought to."""
        if self._resample == "never" or not self.is_outside(affine):
            return self._preprocessing
        return {**self._preprocessing, "spacing_mm": list(self._trained.median_mm)}

    def note(self, image):
        """What to tell about a scan.

        Args:
            image: `tf_diffseg.volumes.volume.Volume`.

        Returns:
            A line of text, or None where its voxels are like the training data's.
        """
        if not self.is_outside(image.affine):
            return None
        told = (
            f"its voxels of {_by(image.spacing_mm)} mm (i, j, k) are unlike those that "
            f"the model was trained on, {self.trained_text}"
        )
        if self._resample == "never":
            return (
                f"warning: {told}; with resample=never it is segmented as it is, and "
                "may well be segmented wrongly"
            )
        return (
            f"note: {told}; it is resampled to {_by(self._trained.median_mm)} mm, and "
            "the result brought back onto its own grid"
        )

    def notes_of_cases(self, uids):
        """What to tell about the cases of a data set.

        Args:
            uids: of those that are outside.

        Returns:
            List of lines of text.
        """
        if self.unknown_note:
            return [self.unknown_note]
        if not uids:
            return []
        shown = ", ".join(uids[:_MOST_SHOWN])
        more = f" and {len(uids) - _MOST_SHOWN} more" if len(uids) > _MOST_SHOWN else ""
        done = (
            "warning: resample=never left as they are"
            if self._resample == "never"
            else f"note: resampled to {_by(self._trained.median_mm)} mm and back were"
        )
        return [
            f"{done} {len(uids)} case(s) whose voxels are unlike those that the model "
            f"was trained on, {self.trained_text}: {shown}{more}"
        ]

    @property
    def trained_text(self):
        """The voxel sizes that were trained on, for people."""
        low, high = self._trained.smallest_mm, self._trained.largest_mm
        sizes = _by(low) if low == high else f"{_by(low)} to {_by(high)}"
        return f"{sizes} mm (x, y, z)"

    @property
    def unknown_note(self):
        """What to tell of a model whose training data's voxel size is not known."""
        if self._fixed_mm is not None or self._spread is not None:
            return None
        return (
            "note: the model does not tell which voxel sizes it was trained on; scans "
            "are segmented as they are"
        )


def _by(values):
    return " x ".join(f"{value:.3g}" for value in values)
