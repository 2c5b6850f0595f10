"""The augmentation's values of a training run."""

import dataclasses

from tf_diffseg.data.augmentation.options import OPTIONS


def _option(name):
    """A field with the library's default, help text and range."""
    option = OPTIONS[name]
    is_text = isinstance(option.default, str)
    metadata = {
        "help": option.help,
        "at_least": None if is_text else option.at_least,
        "at_most": option.at_most,
        "length": None,
    }
    return dataclasses.field(default=option.default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """What `tf_diffseg.data.augment` is told, under its names."""

    affine_probability: float = _option("affine_probability")
    rotation_degrees: float = _option("rotation_degrees")
    zoom: float = _option("zoom")
    shear: float = _option("shear")
    shift_mm: float = _option("shift_mm")
    flip_axes: str = _option("flip_axes")
    flip_probability: float = _option("flip_probability")
    elastic_probability: float = _option("elastic_probability")
    elastic_mm: float = _option("elastic_mm")
    elastic_spacing_mm: float = _option("elastic_spacing_mm")
    noise_probability: float = _option("noise_probability")
    noise: float = _option("noise")
    blur_probability: float = _option("blur_probability")
    blur_mm: float = _option("blur_mm")
    brightness_probability: float = _option("brightness_probability")
    brightness: float = _option("brightness")
    contrast_probability: float = _option("contrast_probability")
    contrast: float = _option("contrast")
    low_resolution_probability: float = _option("low_resolution_probability")
    low_resolution: float = _option("low_resolution")
    gamma_probability: float = _option("gamma_probability")
    gamma: float = _option("gamma")
    channel_drop_probability: float = _option("channel_drop_probability")

    def augmentation(self):
        """Those values that `tf_diffseg.data.augment` takes, under its names."""
        return {name: getattr(self, name) for name in OPTIONS}
