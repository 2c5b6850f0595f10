"""Options of inference that evaluation and segmentation share."""

import dataclasses
import numbers
from collections.abc import Mapping

from tf_diffseg.data.augmentation.options import AXES
from tf_diffseg.diffusion.samplers import SAMPLERS
from tf_diffseg.errors import InputError
from tf_diffseg.fields import check, option


@dataclasses.dataclass(frozen=True)
class InferenceOptions:
    """Values of one inference; each is a flag of the same name.

    Example:
        >>> options = InferenceOptions(num_samples=3, flip_axes="x")
        >>> options.given()
        ['num_samples', 'flip_axes']
    """

    sampler: str | None = option(
        None,
        "Sampler. Default: that of the run's config.",
        choices=SAMPLERS,
        takes_options=True,
    )
    eta: float | None = option(
        None,
        "Noise that DDIM draws, as a share of DDPM's standard deviation. Default: that "
        "of the run's config.",
        at_least=0.0,
        at_most=1.0,
    )
    num_timesteps: int | None = option(
        None, "Reverse steps; by default as many as in training.", at_least=2
    )
    early_exit: float | None = option(
        None,
        "End sampling once at most this share of the foreground voxels changes class "
        "from one step to the next, such as 0.005.",
        at_least=0.0,
        less_than=1,
    )
    num_samples: int = option(1, "Samples whose mean is taken.", at_least=1)
    seed: int = option(0, "Seed of the sampling noise.", at_least=0, at_most=2**31 - 1)
    batch_size: int = option(
        1, "Windows or samples that the network computes at a time.", at_least=1
    )
    overlap: float = option(
        0.5,
        "Share of a window that its neighbour covers too.",
        at_least=0.0,
        less_than=1,
    )
    window_shape: tuple[int, ...] | None = option(
        None,
        "Voxels of a window: x,y,z. Default: the shape of the run's training patches.",
        at_least=1,
        length=3,
    )
    flip_axes: str = option(
        "",
        "Axes to mirror, from xyz: the result is the mean over all mirror images.",
        letters=AXES,
    )
    resample: str = option(
        "auto",
        "What to do with a scan whose spacing is more than a quarter outside that of "
        "the training data, if the model does not resample every scan: auto resamples "
        "it to the median of the training data and the result back; never segments it "
        "as it is.",
        choices=("auto", "never"),
    )
    fill_holes: bool = option(
        False,
        "Fill enclosed background with the class that has most of its border.",
    )
    min_volume_ml: float = option(
        0.0, "Drop smaller components of each class.", at_least=0.0
    )
    largest_component: bool = option(
        False, "Keep only the largest component of each class."
    )
    keep_components: dict[str, int] | None = option(
        None,
        "Keep this many of the largest components of a class, by name or id: "
        "kidney:2,liver:1. It takes precedence over `largest_component`.",
    )

    def __post_init__(self):
        """Raises InputError if a value is out of range."""
        if self.keep_components is not None:
            kept = _component_counts(self.keep_components)
            object.__setattr__(self, "keep_components", kept)
        check(self)

    @property
    def flipped_axes(self):
        """Numbers of the axes to mirror."""
        return tuple(AXES.index(name) for name in self.flip_axes)

    def post_processing(self, class_names=(), regions=()):
        """`PostProcessing` of these values.

        Args:
            class_names: name per class id, background first, for `keep_components`.
            regions: `Targets.written_regions`.

        Raises:
            InputError: `keep_components` names an unknown class, or one twice.
        """
        from tf_diffseg.inference import PostProcessing

        return PostProcessing(
            self.fill_holes,
            self.min_volume_ml,
            self.largest_component,
            _counts_by_id(self.keep_components or {}, list(class_names)),
            regions,
        )

    def given(self):
        """Names of the options that differ from their defaults."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]


def _components_error(message):
    return InputError(f"keep_components {message}", argument="keep_components")


def _component_counts(kept):
    """Dict from class to number, from such a dict or from texts class:number."""
    if isinstance(kept, str):
        kept = kept.split(",")
    if isinstance(kept, Mapping):
        pairs = list(kept.items())
    elif isinstance(kept, (list, tuple)):
        pairs = list(map(_class_and_count, kept))
    else:
        raise _components_error(f"must be like kidney:2,liver:1, got {kept!r}")
    counts: dict[str, int] = {}
    for name, count in pairs:
        is_whole = isinstance(count, numbers.Integral) and not isinstance(count, bool)
        if not is_whole or count < 1:
            raise _components_error(
                f"must have a whole number of at least 1 for {name}, got {count!r}"
            )
        if str(name) in counts:
            raise _components_error(f"names {name} twice")
        counts[str(name)] = int(count)
    return counts


def _class_and_count(text):
    name, colon, count = str(text).rpartition(":")
    if not (colon and name and count.strip().isdecimal()):
        raise _components_error(
            f"must be class:number, like kidney:2, got {str(text)!r}"
        )
    return name.strip(), int(count)


def _counts_by_id(counts, class_names):
    """Dict from class id to number; raises InputError if there is no such class."""
    found: dict[int, int] = {}
    for name, count in counts.items():
        if name in class_names[1:]:
            class_id = class_names.index(name, 1)
        elif name.isdecimal() and 1 <= int(name) < len(class_names):
            class_id = int(name)
        else:
            raise _components_error(
                f"names no class of the model with {name}:{count}, expected one of "
                f"{', '.join(class_names[1:])}, or an id of 1 to {len(class_names) - 1}"
            )
        if class_id in found:
            raise _components_error(
                f"names {class_names[class_id]} twice, by name and id"
            )
        found[class_id] = count
    return found
