"""Resampling of scans with a spacing that a model was not trained on."""

import functools

from tf_diffseg.errors import InputError

# Keys of the fingerprint's `spacing_mm`, in the order of `TrainedSpacing`.
_KEYS = ("min", "median", "max")

# Number of cases that a note names.
_MOST_SHOWN = 5


class ScanResampling:
    """Decides which scans are resampled for a model, and makes notes on it.

    Args:
        preprocessing: config of the model's `VolumePreprocessor`.
        fingerprint: fingerprint of the training data in the manifest; empty or None if
            the model has none, because its shards were converted long ago.
        resample: "auto", or "never" to segment every scan on its own voxels.

    Raises:
        InputError: `resample` is "never" and the model resamples every scan.
    """

    def __init__(self, preprocessing, fingerprint, resample="auto"):
        self._preprocessing = preprocessing
        self._spread = (fingerprint or {}).get("spacing_mm")
        self._never = resample == "never"
        self._fixed_mm = preprocessing.get("spacing_mm")
        if self._fixed_mm is not None and self._never:
            raise InputError(
                "resample=never does not apply: the model resamples every scan to "
                f"{_size(self._fixed_mm)} mm, as it was trained",
                argument="resample",
            )

    @functools.cached_property
    def preprocessor(self):
        """The `VolumePreprocessor` that resamples these scans."""
        from tf_diffseg.preprocessing import VolumePreprocessor

        if self._never or self._fitting is None:
            return VolumePreprocessor(**self._preprocessing)
        return self._fitting

    @functools.cached_property
    def _fitting(self):
        """`FittedPreprocessor`, or None if no scan is resampled for its spacing."""
        from tf_diffseg.preprocessing import FittedPreprocessor

        if self._trained is None:
            return None
        return FittedPreprocessor(self._trained, **self._preprocessing)

    @functools.cached_property
    def _trained(self):
        """`TrainedSpacing`, or None if it is unknown or every scan is resampled."""
        from tf_diffseg.preprocessing import TrainedSpacing

        if self._spread is None or self._fixed_mm is not None:
            return None
        try:
            return TrainedSpacing(*(self._spread[key] for key in _KEYS))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "the model's fingerprint is damaged: expected min, median and max of "
                f"'spacing_mm' over the training cases, got {self._spread} ({error})"
            ) from error

    def is_outside(self, affine):
        """Whether the spacing of an affine (4, 4) is outside the training data."""
        return self._fitting is not None and bool(self._fitting.is_outside(affine))

    def preprocessing_of(self, affine):
        """`preprocessing` with the spacing that a scan is resampled to."""
        if self._never or not self.is_outside(affine):
            return self._preprocessing
        return {**self._preprocessing, "spacing_mm": list(self._trained.median_mm)}

    def note(self, image):
        """Line of text if a `Volume` is outside the training data, or None."""
        if not self.is_outside(image.affine):
            return None
        difference = (
            f"its voxels of {_size(image.spacing_mm)} mm (i, j, k) are unlike those "
            f"that the model was trained on, {self.trained_text}"
        )
        if self._never:
            return (
                f"warning: {difference}; with resample=never it is segmented as it is, "
                "and may well be segmented wrongly"
            )
        return (
            f"note: {difference}; it is resampled to {_size(self._trained.median_mm)} "
            "mm, and the result is brought back onto its own grid"
        )

    def notes_of_cases(self, uids):
        """Lines of text on a data set; `uids` are those of its cases outside."""
        if self.unknown_note:
            return [self.unknown_note]
        if not uids:
            return []
        shown = ", ".join(uids[:_MOST_SHOWN])
        more = f" and {len(uids) - _MOST_SHOWN} more" if len(uids) > _MOST_SHOWN else ""
        cases = (
            f"{len(uids)} case(s) have voxels unlike those that the model was trained "
            f"on, {self.trained_text}"
        )
        if self._never:
            return [
                f"warning: {cases}; resample=never left them as they are: {shown}{more}"
            ]
        median = _size(self._trained.median_mm)
        return [
            f"note: {cases}; they were resampled to {median} mm and back: {shown}{more}"
        ]

    @property
    def trained_text(self):
        """The spacing of the training data, as text."""
        low, high = self._trained.smallest_mm, self._trained.largest_mm
        sizes = _size(low) if low == high else f"{_size(low)} to {_size(high)}"
        return f"{sizes} mm (x, y, z)"

    @property
    def unknown_note(self):
        """Line of text if the spacing of the training data is unknown, or None."""
        if self._fixed_mm is not None or self._spread is not None:
            return None
        return (
            "note: the model does not tell which voxel sizes it was trained on; scans "
            "are segmented as they are"
        )


def _size(values):
    return " x ".join(f"{value:.3g}" for value in values)
