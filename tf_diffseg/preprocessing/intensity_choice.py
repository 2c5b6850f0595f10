"""The arguments of `VolumePreprocessor` that choose the scaling of intensities."""

import math

from tf_diffseg.preprocessing.choices import Intensity


def checked_intensity(intensity, ct_window):
    """Checks the two arguments.

    Args:
        intensity: an `Intensity` or its value, or one per channel.
        ct_window: (low, high) in Hounsfield units or None, or one per channel.

    Returns:
        `(intensity, ct_window)`, each one for all channels, or a tuple per channel.

    Raises:
        ValueError: if they have another form, or do not go together.
    """
    if isinstance(intensity, (str, Intensity)):
        intensity = Intensity(intensity)
        return intensity, _checked_window(intensity, ct_window)
    intensity = tuple(Intensity(kind) for kind in intensity)
    windows = [None] * len(intensity) if ct_window is None else list(ct_window)
    if len(windows) != len(intensity):
        raise ValueError(
            f"ct_window must hold a window or None for each of {len(intensity)} "
            f"channels, got {ct_window}"
        )
    return intensity, tuple(map(_checked_window, intensity, windows))


def _checked_window(intensity, window):
    """The window of channels that share an `Intensity`, or None."""
    if intensity is not Intensity.CT_WINDOW:
        if window is not None:
            raise ValueError(
                "ct_window is for intensity 'ct_window' only, "
                f"got {window} with {intensity.value!r}"
            )
        return None
    if window is None:
        raise ValueError("intensity 'ct_window' needs ct_window=(low, high) in HU")
    window = tuple(float(value) for value in window)
    finite = all(math.isfinite(value) for value in window)
    if len(window) != 2 or not finite or not window[0] < window[1]:
        raise ValueError(f"ct_window must be (low, high), low < high, got {window}")
    return window


def intensity_config(intensity, ct_window):
    """JSON-able dict of the values that `checked_intensity` returned."""
    if isinstance(intensity, Intensity):
        return {
            "intensity": intensity.value,
            "ct_window": ct_window and list(ct_window),
        }
    return {
        "intensity": [kind.value for kind in intensity],
        "ct_window": [window and list(window) for window in ct_window],
    }
