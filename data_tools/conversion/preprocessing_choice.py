"""Decides how volumes are preprocessed, by flags or by the data set.

docs/data.md states each rule; change both together.
"""

import dataclasses
import math

from tf_diffseg.data.example_wire import LARGEST_EXAMPLE_BYTES
from tf_diffseg.errors import InputError
from tf_diffseg.volumes import volume_limits

AUTO = "auto"
MEDIAN = "median"
NATIVE = "native"

# An axis this many times coarser than the finest is resampled to the 10th percentile
# of its spacings, as in nnU-Net.
ANISOTROPY = 3.0
# Up to this size, all volumes get one shape and go through the network whole.
MOST_VOXELS = 2**21
# Few slices are not padded to many.
SHAPE_MULTIPLE, SHORT_AXIS_MULTIPLE, SHORT_AXIS = 8, 2, 32


@dataclasses.dataclass(frozen=True)
class Choice:
    """How volumes are preprocessed.

    Attributes:
        spacing_mm: (x, y, z), None or `NATIVE` for each file's own, `MEDIAN` or
            `AUTO`.
        volume_shape: (x, y, z), None for each volume's own, or `AUTO`.
        intensity: value of an `Intensity`, one per channel, or `AUTO`.
        ct_window: (low, high) or None, or one per channel.
        crop_to_foreground: see `VolumePreprocessor`.
        channel_names: name per channel, by which `AUTO` scales it.
    """

    spacing_mm: tuple[float, ...] | str | None = None
    volume_shape: tuple[int, ...] | str | None = None
    intensity: str | tuple[str, ...] = "zscore"
    ct_window: tuple | None = None
    crop_to_foreground: bool = False
    channel_names: tuple[str, ...] = ()

    @property
    def is_fixed(self):
        """Whether it does not depend on the cases."""
        chosen = (self.spacing_mm, self.volume_shape, self.intensity)
        return not any(value in (AUTO, MEDIAN) for value in chosen)

    def check_size(self):
        """Raises InputError if no volume of `volume_shape` can be made or written."""
        if self.volume_shape is None or isinstance(self.volume_shape, str):
            return
        num_channels = len(self.channel_names)
        voxels = math.prod(self.volume_shape)
        # At least the image and the label, of 4 bytes each, are in memory together.
        needed = voxels * 4 * (num_channels + 1)
        if needed > volume_limits.memory_bytes():
            memory = _gib(volume_limits.memory_bytes())
            raise self._too_large(
                f"a volume would take {_gib(needed)}, this machine has {memory}"
            )
        kinds = {self.intensity} if isinstance(self.intensity, str) else self.intensity
        may_be_bytes = self.spacing_mm == NATIVE and set(kinds) <= {AUTO, "none"}
        record = voxels * (num_channels * (1 if may_be_bytes else 4) + 1)
        if record > LARGEST_EXAMPLE_BYTES:
            raise self._too_large(
                f"the record of a case would take {_gib(record)}, it cannot take more "
                f"than {LARGEST_EXAMPLE_BYTES / 2**30:.0f} GiB"
            )

    def _too_large(self, reason):
        shape = ",".join(map(str, self.volume_shape))
        return InputError(f"volume_shape={shape}: {reason}", argument="volume_shape")

    def preprocessor(self, fingerprint=None):
        """The `VolumePreprocessor`.

        Args:
            fingerprint: from `fingerprint.fingerprint_of`; not needed if `is_fixed`.

        Raises:
            InputError: if a value is out of range.
        """
        from tf_diffseg.preprocessing import VolumePreprocessor

        spacing_mm = self._spacing(fingerprint)
        intensity, ct_window = self.intensity, self.ct_window
        if intensity == AUTO:
            intensity, ct_window = auto_intensity(self.channel_names, fingerprint)
        volume_shape = self.volume_shape
        if volume_shape == AUTO:
            volume_shape = auto_volume_shape(
                fingerprint, spacing_mm, self.crop_to_foreground
            )
        try:
            return VolumePreprocessor(
                spacing_mm, volume_shape, intensity, ct_window, self.crop_to_foreground
            )
        except ValueError as error:
            raise InputError(f"preprocessing flags: {error}") from error

    def shape_note(self, chosen):
        """Says why `volume_shape=auto` chose no shape; None otherwise.

        Args:
            chosen: config of the `VolumePreprocessor` that was chosen.
        """
        if self.volume_shape != AUTO or chosen["volume_shape"] is not None:
            return None
        return (
            "`volume_shape=auto`: volumes keep their own shapes, because one shape for "
            f"all would have more than {MOST_VOXELS:,} voxels"
        )

    def _spacing(self, fingerprint):
        if self.spacing_mm == AUTO:
            return auto_spacing(fingerprint)
        if self.spacing_mm == MEDIAN:
            return _rounded(fingerprint["spacing_mm"]["median"])
        return None if self.spacing_mm == NATIVE else self.spacing_mm


def _gib(num_bytes):
    return f"{num_bytes / 2**30:.1f} GiB"


def _rounded(values):
    """Removes the error of an affine in float32, at most 0.0001 mm."""
    return tuple(max(round(value, 4), 1e-4) for value in values)


def auto_spacing(fingerprint):
    """The median spacing (x, y, z) in mm; on a much coarser axis the 10th percentile.

    That axis never gets finer than the coarser of the other two.
    """
    spacing_mm = list(fingerprint["spacing_mm"]["median"])
    axis = max(range(3), key=lambda index: spacing_mm[index])
    others = [value for index, value in enumerate(spacing_mm) if index != axis]
    if spacing_mm[axis] > ANISOTROPY * min(others):
        finer = fingerprint["spacing_mm"]["percentile_10"][axis]
        spacing_mm[axis] = max(finer, *others)
    return _rounded(spacing_mm)


def auto_volume_shape(fingerprint, spacing_mm, is_cropped=False):
    """The smallest shape that holds every case, if that is not too large.

    Args:
        fingerprint: from `fingerprint_of`.
        spacing_mm: spacing that volumes are resampled to, or None for their own.
        is_cropped: whether `crop_to_foreground` is on.

    Returns:
        (x, y, z), multiples of `SHAPE_MULTIPLE`, or of `SHORT_AXIS_MULTIPLE` below
        `SHORT_AXIS` voxels, or 1 for slices; None if that is more than `MOST_VOXELS`:
        volumes then keep their shapes.
    """
    largest = fingerprint["bright_shape" if is_cropped else "shape"]["max"]
    if spacing_mm is not None:
        extent_mm = fingerprint["bright_mm" if is_cropped else "extent_mm"]["max"]
        largest = [round(mm / spacing_mm[axis]) for axis, mm in enumerate(extent_mm)]
    shape = tuple(map(_rounded_up, largest))
    return shape if math.prod(shape) <= MOST_VOXELS else None


def _rounded_up(size):
    if size == 1:
        return 1
    multiple = SHAPE_MULTIPLE if size >= SHORT_AXIS else SHORT_AXIS_MULTIPLE
    return max(math.ceil(size / multiple), 1) * multiple


def auto_intensity(channel_names, fingerprint):
    """Chooses how to scale each channel, by its name.

    A channel named CT is clipped to the 0.5 and 99.5 percentiles of the labelled
    voxels of the data set, one window for all cases. A channel named noNorm is not
    changed. Both names are nnU-Net's. Any other channel gets its z-score.

    Args:
        channel_names: name per channel.
        fingerprint: from `fingerprint_of`.

    Returns:
        `(intensity, ct_window)` for `VolumePreprocessor`.

    Raises:
        InputError: if a channel is CT and no case has a labelled voxel.
    """
    kinds = tuple(_AUTO_INTENSITY.get(name.lower(), "zscore") for name in channel_names)
    window_of = fingerprint["foreground_intensity"]
    if "ct_window" in kinds and window_of is None:
        raise InputError("`intensity=auto`: no case has a labelled voxel to go by")
    windows = tuple(
        _window(window_of, channel) if kind == "ct_window" else None
        for channel, kind in enumerate(kinds)
    )
    if len(kinds) == 1:
        return kinds[0], windows[0]
    return kinds, windows


_AUTO_INTENSITY = {"ct": "ct_window", "nonorm": "none"}


def _window(foreground_intensity, channel):
    low = foreground_intensity["percentile_00_5"][channel]
    high = foreground_intensity["percentile_99_5"][channel]
    # A constant foreground still needs a window of some width.
    return (low, high) if low < high else (low - 1.0, high + 1.0)
