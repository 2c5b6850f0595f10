"""The flags that say how volumes are preprocessed, and the checks of their values."""

import math

from absl import flags

from data_tools.conversion.preprocessing_choice import (
    AUTO,
    MEDIAN,
    NATIVE,
    Choice,
)
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing.choices import Intensity

_KINDS = ", ".join(kind.value for kind in Intensity)

_SPACING_MM = flags.DEFINE_string(
    "spacing_mm",
    "native",
    "x,y,z voxel size to resample to, or native, median or auto; see docs/data.md.",
)
_VOLUME_SHAPE = flags.DEFINE_string(
    "volume_shape",
    None,
    "x,y,z voxels to crop or pad to, or auto; without it, each shape is kept.",
)
_INTENSITY = flags.DEFINE_list(
    "intensity",
    "zscore",
    f"{_KINDS}, once for all channels or one per channel; or {AUTO}.",
)
_CT_WINDOW = flags.DEFINE_multi_string(
    "ct_window",
    None,
    "low,high in Hounsfield units for --intensity=ct_window, once or once for each "
    "such channel.",
)
_CROP_TO_FOREGROUND = flags.DEFINE_boolean(
    "crop_to_foreground", False, "Crops to what is brighter than the darkest voxel."
)


def preprocessing_is_given():
    """Whether the command line has one of these flags."""
    own = (_SPACING_MM, _VOLUME_SHAPE, _INTENSITY, _CT_WINDOW, _CROP_TO_FOREGROUND)
    return any(holder.present for holder in own)


def choice_of_flags(channel_names):
    """The `Choice` that the flags describe.

    Args:
        channel_names: names of the data set's channels.

    Raises:
        InputError: if the value of a flag is wrong, or if volumes of `--volume_shape`
            do not fit into memory or into a record.
    """
    intensity, ct_window = _intensity(len(channel_names))
    choice = Choice(
        spacing_mm=_positive_or("spacing_mm", (AUTO, MEDIAN, NATIVE), float),
        volume_shape=_positive_or("volume_shape", (AUTO,), int),
        intensity=intensity,
        ct_window=ct_window,
        crop_to_foreground=_CROP_TO_FOREGROUND.value,
        channel_names=tuple(channel_names),
    )
    choice.check_size()
    return choice


def _positive_or(name, words, number):
    """The flag's three positive numbers, one of `words`, or None."""
    value = flags.FLAGS[name].value
    if value is None or value in words:
        return value
    try:
        numbers = command_line.parse_numbers(name, value, 3, number)
    except InputError as error:
        raise InputError(f"{error}, or {' or '.join(words)}") from error
    if not all(0 < number < math.inf for number in numbers):
        raise InputError(f"--{name}={value}: expected positive numbers")
    return numbers


def _windows():
    """The windows of --ct_window, in order."""
    windows = []
    for text in _CT_WINDOW.value or ():
        low, high = command_line.parse_numbers("ct_window", text, 2)
        if not -math.inf < low < high < math.inf:
            raise InputError(f"--ct_window={text}: expected low,high with low < high")
        windows.append((low, high))
    return windows


def _intensity(num_channels):
    """`(intensity, ct_window)` for `VolumePreprocessor`; or `AUTO` and None."""
    kinds, windows = _INTENSITY.value, _windows()
    flag = f"--intensity={','.join(kinds)}"
    if kinds == [AUTO]:
        if windows:
            raise InputError(f"{flag} chooses a window itself, leave out --ct_window")
        return AUTO, None
    unknown = set(kinds) - {kind.value for kind in Intensity}
    if unknown or len(kinds) not in (1, num_channels):
        raise InputError(
            f"{flag}: expected {_KINDS} or {AUTO}, once or once for each of "
            f"{num_channels} channel(s)"
        )
    channel_kinds = kinds * num_channels if len(kinds) == 1 else kinds
    num_windows = channel_kinds.count("ct_window")
    if not num_windows and windows:
        raise InputError(f"{flag} takes no window, leave out --ct_window")
    if len(windows) not in (min(num_windows, 1), num_windows):
        raise InputError(
            f"{flag} needs --ct_window once or {num_windows} time(s), "
            f"got {len(windows)}"
        )
    if len(kinds) == 1 and len(windows) <= 1:
        return kinds[0], windows[0] if windows else None
    remaining = iter(windows * num_windows if len(windows) == 1 else windows)
    return tuple(channel_kinds), tuple(
        next(remaining) if kind == "ct_window" else None for kind in channel_kinds
    )
