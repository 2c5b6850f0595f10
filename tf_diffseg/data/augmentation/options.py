"""What `augment` can be told: names, defaults, ranges and help texts.

The one home of these values, for function arguments, flags and configs alike. It
loads no TensorFlow.

The defaults suit MR and CT at the intensity scales that `tf_diffseg.preprocessing`
gives. They are close to those of nnU-Net (Isensee et al. 2021, supplementary note 4).
"""

import dataclasses
import math

AXES = "xyz"


@dataclasses.dataclass(frozen=True)
class Option:
    """One argument of `augment`.

    Attributes:
        default: its value where none is given.
        help: what it means.
        at_least: smallest value of a number.
        at_most: largest value of a number, or None.
    """

    default: float | str
    help: str
    at_least: float = 0.0
    at_most: float | None = None


def _probability(default, of_what):
    return Option(default, f"Augmentation: probability of {of_what}.", at_most=1.0)


OPTIONS = {
    "affine_probability": _probability(0.5, "rotation, zoom, shear and shift"),
    "rotation_degrees": Option(
        15.0, "Augmentation: largest rotation about each axis.", at_most=180.0
    ),
    "zoom": Option(0.15, "Augmentation: largest change of size, as a share."),
    "shear": Option(
        0.05, "Augmentation: largest shear, mm along one axis per mm along another."
    ),
    "shift_mm": Option(2.0, "Augmentation: largest shift along each axis, in mm."),
    "flip_axes": Option(
        "",
        "Augmentation: axes to mirror, of xyz; RAS+, so x is left and right. None "
        "where the sides of the body are different classes.",
    ),
    "flip_probability": _probability(0.5, "mirroring each of --flip_axes"),
    "elastic_probability": _probability(0.1, "elastic deformation"),
    "elastic_mm": Option(
        3.0, "Augmentation: largest displacement of elastic deformation, in mm."
    ),
    "elastic_spacing_mm": Option(
        16.0,
        "Augmentation: distance of the points that elastic deformation moves, in mm. "
        "More than 2.5 times --elastic_mm, or space folds.",
        at_least=1.0,
    ),
    "noise_probability": _probability(0.15, "added noise"),
    "noise": Option(
        0.2, "Augmentation: most noise, in standard deviations of the image."
    ),
    "blur_probability": _probability(0.1, "blur"),
    "blur_mm": Option(1.0, "Augmentation: largest sigma of blur, in mm."),
    "brightness_probability": _probability(0.15, "a change of brightness"),
    "brightness": Option(
        0.2,
        "Augmentation: largest change of the mean, in standard deviations of the "
        "image.",
    ),
    "contrast_probability": _probability(0.15, "a change of contrast"),
    "contrast": Option(
        0.25, "Augmentation: largest change of the standard deviation, as a share."
    ),
    "low_resolution_probability": _probability(0.1, "simulated low resolution"),
    "low_resolution": Option(
        2.0,
        "Augmentation: largest simulated voxel, as a multiple of the finest spacing.",
        at_least=1.0,
    ),
    "gamma_probability": _probability(0.3, "a gamma curve"),
    "gamma": Option(
        0.4, "Augmentation: largest change of the gamma exponent, as a share."
    ),
    "channel_drop_probability": _probability(
        0.0, "the loss of one channel, where the image has several"
    ),
}


def check_options(values):
    """Checks values of `OPTIONS`.

    Args:
        values: dict from name to value.

    Raises:
        ValueError: a name is unknown, or a value out of its range.
    """
    unknown = sorted(set(values) - set(OPTIONS))
    if unknown:
        raise ValueError(f"augmentation has no option {unknown}, it has {[*OPTIONS]}")
    for name, value in values.items():
        option = OPTIONS[name]
        if isinstance(option.default, str):
            _check_axes(name, value)
            continue
        limit = math.inf if option.at_most is None else option.at_most
        if not (option.at_least <= value <= limit and math.isfinite(value)):
            raise ValueError(
                f"{name} must be a number from {option.at_least} to {limit}, "
                f"got {value}"
            )


def _check_axes(name, value):
    if not isinstance(value, str) or len(set(value) & set(AXES)) != len(value):
        raise ValueError(f"{name} must be of {AXES}, got {value!r}")
