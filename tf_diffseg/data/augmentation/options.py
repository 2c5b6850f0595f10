"""What `augment` can be told: names, defaults, ranges and help texts.

The one home of these values, for function arguments, flags and configs alike. It
loads no TensorFlow.

The defaults suit MR and CT at the intensity scales that `tf_diffseg.preprocessing`
gives. They are close to those of nnU-Net (Isensee et al. 2021, supplementary note 4).
"""

import dataclasses
import functools

from tf_diffseg.errors import InputError
from tf_diffseg.fields import check, option, part_values

AXES = "xyz"
_PART = "augmentation"
_option = functools.partial(option, part=_PART)


def _probability(default, of_what):
    help_text = f"Augmentation: probability of {of_what}."
    return _option(default, help_text, at_least=0.0, at_most=1.0)


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """What `augment` is told, under its names; raises InputError as `check` does."""

    affine_probability: float = _probability(0.5, "rotation, zoom, shear and shift")
    rotation_degrees: float = _option(
        15.0,
        "Augmentation: largest rotation about each axis.",
        at_most=180.0,
        at_least=0.0,
    )
    zoom: float = _option(
        0.15, "Augmentation: largest change of size, as a share.", at_least=0.0
    )
    shear: float = _option(
        0.05,
        "Augmentation: largest shear, mm along one axis per mm along another.",
        at_least=0.0,
    )
    shift_mm: float = _option(
        2.0, "Augmentation: largest shift along each axis, in mm.", at_least=0.0
    )
    flip_axes: str = _option(
        "",
        "Augmentation: axes to mirror, of xyz; RAS+, so x is left and right. None "
        "where the sides of the body are different classes.",
        letters=AXES,
    )
    flip_probability: float = _probability(0.5, "mirroring each of --flip_axes")
    elastic_probability: float = _probability(0.1, "elastic deformation")
    elastic_mm: float = _option(
        3.0,
        "Augmentation: largest displacement of elastic deformation, in mm.",
        at_least=0.0,
    )
    elastic_spacing_mm: float = _option(
        16.0,
        "Augmentation: distance of the points that elastic deformation moves, in mm. "
        "More than 2.5 times --elastic_mm, or space folds.",
        at_least=1.0,
    )
    noise_probability: float = _probability(0.15, "added noise")
    noise: float = _option(
        0.2,
        "Augmentation: most noise, in standard deviations of the image.",
        at_least=0.0,
    )
    blur_probability: float = _probability(0.1, "blur")
    blur_mm: float = _option(
        1.0, "Augmentation: largest sigma of blur, in mm.", at_least=0.0
    )
    brightness_probability: float = _probability(0.15, "a change of brightness")
    brightness: float = _option(
        0.2,
        "Augmentation: largest change of the mean, in standard deviations of the "
        "image.",
        at_least=0.0,
    )
    contrast_probability: float = _probability(0.15, "a change of contrast")
    contrast: float = _option(
        0.25,
        "Augmentation: largest change of the standard deviation, as a share.",
        at_least=0.0,
    )
    low_resolution_probability: float = _probability(0.1, "simulated low resolution")
    low_resolution: float = _option(
        2.0,
        "Augmentation: largest simulated voxel, as a multiple of the finest spacing.",
        at_least=1.0,
    )
    gamma_probability: float = _probability(0.3, "a gamma curve")
    gamma: float = _option(
        0.4,
        "Augmentation: largest change of the gamma exponent, as a share.",
        at_least=0.0,
    )
    channel_drop_probability: float = _probability(
        0.0, "the loss of one channel, where the image has several"
    )

    def __post_init__(self):
        """Checks the values."""
        check(self)

    def augmentation(self):
        """Those values that `augment` takes, under its names."""
        return part_values(self, _PART)


OPTIONS = {field.name: field for field in dataclasses.fields(AugmentationConfig)}


def check_options(values):
    """Checks values of `OPTIONS`.

    Args:
        values: dict from name to value.

    Raises:
        InputError: a name is unknown, or a value out of its range.
    """
    unknown = sorted(set(values) - set(OPTIONS))
    if unknown:
        raise InputError(f"augmentation has no option {unknown}, it has {[*OPTIONS]}")
    AugmentationConfig(**values)
