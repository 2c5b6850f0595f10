"""The options of `augment`: names, defaults, ranges and help texts.

Function arguments, flags and configs take them from here. Loads no TensorFlow.

The defaults suit MR and CT images scaled by `tf_diffseg.preprocessing`. They are close
to those of nnU-Net (Isensee et al. 2021, supplementary note 4).
"""

import dataclasses

from tf_diffseg.errors import InputError
from tf_diffseg.fields import check, option, part_values

AXES = "xyz"
_PART = "augmentation"


def _option(default, meaning, **limits):
    return option(default, f"Augmentation: {meaning}", _PART, **limits)


def _amount(default, meaning, at_least=0.0, at_most=None):
    return _option(default, meaning, at_least=at_least, at_most=at_most)


def _probability(default, of_what):
    return _amount(default, f"probability of {of_what}.", at_most=1.0)


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """The options of `augment`; raises InputError as `check` does."""

    affine_probability: float = _probability(0.5, "rotation, zoom, shear and shift")
    rotation_degrees: float = _amount(
        15.0, "largest rotation about each axis.", at_most=180.0
    )
    rotation_axes: str = _option(
        "xyz",
        "axes to rotate about, of xyz; z alone keeps slices across z whole.",
        letters=AXES,
    )
    zoom: float = _amount(0.15, "largest change of size, as a share.")
    shear: float = _amount(
        0.05, "largest shear, mm along one axis per mm along another."
    )
    shift_mm: float = _amount(2.0, "largest shift along each axis, in mm.")
    flip_axes: str = _option(
        "",
        "axes to mirror, of xyz; RAS+, so x is left and right. None if the sides of "
        "the body are different classes.",
        letters=AXES,
    )
    flip_probability: float = _probability(0.5, "mirroring each of `flip_axes`")
    elastic_probability: float = _probability(0.1, "elastic deformation")
    elastic_mm: float = _amount(
        3.0, "largest displacement of elastic deformation, in mm."
    )
    elastic_spacing_mm: float = _amount(
        16.0,
        "distance of the points that elastic deformation moves, in mm. More than 2.5 "
        "times `elastic_mm`, or space folds.",
        at_least=1.0,
    )
    noise_probability: float = _probability(0.15, "added noise")
    noise: float = _amount(0.2, "most noise, in standard deviations of the image.")
    blur_probability: float = _probability(0.1, "blur")
    blur_mm: float = _amount(1.0, "largest sigma of blur, in mm.")
    brightness_probability: float = _probability(0.15, "a change of brightness")
    brightness: float = _amount(
        0.2, "largest change of the mean, in standard deviations of the image."
    )
    contrast_probability: float = _probability(0.15, "a change of contrast")
    contrast: float = _amount(
        0.25, "largest change of the standard deviation, as a share."
    )
    low_resolution_probability: float = _probability(0.1, "simulated low resolution")
    low_resolution: float = _amount(
        2.0,
        "largest simulated voxel, as a multiple of the finest spacing.",
        at_least=1.0,
    )
    gamma_probability: float = _probability(0.3, "a gamma curve")
    gamma: float = _amount(0.4, "largest change of the gamma exponent, as a share.")
    channel_drop_probability: float = _probability(
        0.0, "the loss of one channel, if the image has several"
    )

    def __post_init__(self):
        """Checks the values."""
        check(self)

    def augmentation(self):
        """Returns a dict of the arguments of `augment`."""
        return part_values(self, _PART)


OPTIONS = {field.name: field for field in dataclasses.fields(AugmentationConfig)}


def check_options(values):
    """Checks a dict from name to value of options.

    Raises:
        InputError: a name is unknown, or a value is out of range.
    """
    unknown = sorted(set(values) - set(OPTIONS))
    if unknown:
        raise InputError(f"augmentation has no option {unknown}, it has {[*OPTIONS]}")
    AugmentationConfig(**values)
