"""How a trained model is run: the options that evaluate and segment share."""

import dataclasses
import numbers
from collections.abc import Mapping

import numpy as np

from tf_diffseg.errors import InputError

_AXES = "xyz"
# What a value of each kind of option may be, NumPy's too, and what it is called.
_KINDS: dict[type, tuple] = {
    str: ((str,), "text"),
    int: ((numbers.Integral,), "a whole number"),
    float: ((numbers.Real,), "a number"),
    bool: ((bool, np.bool_), "True or False"),
}


def _option(default, help_text, kind, at_least=None, at_most=None, choices=None):
    metadata = {
        "help": help_text,
        "kind": kind,
        "at_least": at_least,
        "at_most": at_most,
        "choices": choices,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class InferenceOptions:
    """Values of one inference; each is a flag of the same name."""

    sampler: str | None = _option(
        None, "Default: the sampler of the run's config.", str, choices=("ddim", "ddpm")
    )
    eta: float | None = _option(
        None,
        "Noise that DDIM draws, as a share of DDPM's standard deviation. Default: that "
        "of the run's config.",
        float,
        at_least=0.0,
        at_most=1.0,
    )
    num_timesteps: int | None = _option(
        None, "Reverse steps; by default as many as in training.", int, at_least=2
    )
    early_exit: float | None = _option(
        None,
        "End sampling once no more than this share of the foreground voxels changes "
        "class from one step to the next, say 0.005.",
        float,
        at_least=0.0,
    )
    num_samples: int = _option(1, "Samples whose mean is taken.", int, at_least=1)
    seed: int = _option(
        0, "Seed of the sampling noise.", int, at_least=0, at_most=2**31 - 1
    )
    batch_size: int = _option(
        1, "Windows or samples that the network takes at a time.", int, at_least=1
    )
    overlap: float = _option(
        0.5, "Share of a window that its neighbour covers as well.", float, at_least=0.0
    )
    window_shape: tuple[int, ...] | None = _option(
        None,
        "Voxels of a window: x,y,z. Default: those of the patches that the run was "
        "trained on.",
        tuple,
    )
    flip_axes: str = _option(
        "", "Axes to mirror, of xyz: the mean over all mirror images is taken.", str
    )
    resample: str = _option(
        "auto",
        "What becomes of a scan whose voxels are unlike those that were trained on, by "
        "more than a quarter, where the model does not resample every scan: auto "
        "resamples it to the training data's median and brings the result back; never "
        "segments it as it is.",
        str,
        choices=("auto", "never"),
    )
    fill_holes: bool = _option(
        False,
        "Fill background that is shut in, with the class that has most of its border.",
        bool,
    )
    min_volume_ml: float = _option(
        0.0, "Drop components of a class that are smaller.", float, at_least=0.0
    )
    largest_component: bool = _option(
        False, "Keep the largest component of each class alone.", bool
    )
    keep_components: dict[str, int] | None = _option(
        None,
        "Keep this many components of a class, the largest: kidney:2,liver:1, by the "
        "names of classes or their ids; it goes before --largest_component.",
        dict,
    )

    def __post_init__(self):
        """Raises InputError where a value is out of range."""
        if self.window_shape is not None:
            object.__setattr__(self, "window_shape", _three_sizes(self.window_shape))
        if self.keep_components is not None:
            kept = _component_counts(self.keep_components)
            object.__setattr__(self, "keep_components", kept)
        for field in dataclasses.fields(self):
            value, metadata = getattr(self, field.name), field.metadata
            if value is None and field.default is None:
                continue
            _check_kind(field.name, value, metadata["kind"])
            least, most = metadata["at_least"], metadata["at_most"]
            # Not `value < least`: that lets NaN pass.
            if least is not None and not value >= least:
                raise InputError(f"{field.name} must be at least {least}, got {value}")
            if most is not None and not value <= most:
                raise InputError(f"{field.name} must be at most {most}, got {value}")
            if metadata["choices"] and value not in metadata["choices"]:
                choices = ", ".join(metadata["choices"])
                raise InputError(f"{field.name} must be of {choices}, got {value!r}")
        for name in ("overlap", "early_exit"):
            if (getattr(self, name) or 0.0) >= 1.0:
                raise InputError(
                    f"{name} must be less than 1, got {getattr(self, name)}"
                )
        if len(set(self.flip_axes) & set(_AXES)) != len(self.flip_axes):
            raise InputError(f"flip_axes must be of {_AXES}, got {self.flip_axes!r}")

    @property
    def flipped_axes(self):
        """Numbers of the axes to mirror."""
        return tuple(_AXES.index(name) for name in self.flip_axes)

    def post_processing(self, class_names=()):
        """`PostProcessing` of these values.

        Args:
            class_names: name per class id, background first, for `keep_components`.

        Raises:
            InputError: `keep_components` names no foreground class, or one twice.
        """
        from tf_diffseg.inference import PostProcessing

        return PostProcessing(
            self.fill_holes,
            self.min_volume_ml,
            self.largest_component,
            _by_class_id(self.keep_components or {}, list(class_names)),
        )

    def given(self):
        """Names of the options that are not as by default."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]


def _check_kind(name, value, kind):
    """Raises InputError unless a value is of a kind; True is no number here."""
    if kind not in _KINDS:
        return
    types, expected = _KINDS[kind]
    is_truth = isinstance(value, (bool, np.bool_))
    if not isinstance(value, types) or (is_truth and kind is not bool):
        raise InputError(f"{name} must be {expected}, got {value!r}")


def _three_sizes(sizes):
    is_list = isinstance(sizes, (tuple, list, np.ndarray))
    # Flags are text. A number that is not whole is not to be cut off.
    is_whole = is_list and all(
        isinstance(size, numbers.Integral) or str(size).isdecimal() for size in sizes
    )
    shape = tuple(map(int, sizes)) if is_whole else ()
    if len(shape) != 3 or min(shape) < 1:
        given = ",".join(map(str, sizes)) if is_list else repr(sizes)
        raise InputError(f"window_shape must be three sizes x,y,z, got {given}")
    return shape


def _component_counts(kept):
    """Dict from class to number, of such a dict or of texts class:number."""
    if isinstance(kept, str):
        kept = kept.split(",")
    if not isinstance(kept, (Mapping, list, tuple)):
        raise InputError(f"keep_components must be like kidney:2,liver:1, got {kept!r}")
    if isinstance(kept, Mapping):
        pairs = list(kept.items())
    else:
        pairs = list(map(_class_and_count, kept))
    counts: dict[str, int] = {}
    for name, count in pairs:
        is_whole = isinstance(count, numbers.Integral) and not isinstance(count, bool)
        if not is_whole or count < 1:
            raise InputError(
                f"keep_components must have a whole number of at least 1 for {name}, "
                f"got {count!r}"
            )
        if str(name) in counts:
            raise InputError(f"keep_components names {name} twice")
        counts[str(name)] = int(count)
    return counts


def _class_and_count(text):
    name, colon, count = str(text).rpartition(":")
    if not (colon and name and count.strip().isdecimal()):
        raise InputError(
            f"keep_components must be class:number, as kidney:2, got {str(text)!r}"
        )
    return name.strip(), int(count)


def _by_class_id(counts, class_names):
    """Dict from class id to number; raises InputError where there is no such class."""
    found: dict[int, int] = {}
    for name, count in counts.items():
        if name in class_names[1:]:
            class_id = class_names.index(name, 1)
        elif name.isdecimal() and 1 <= int(name) < len(class_names):
            class_id = int(name)
        else:
            raise InputError(
                f"--keep_components={name}:{count} names no class of the model, "
                f"expected one of {', '.join(class_names[1:])}, or an id of 1 to "
                f"{len(class_names) - 1}"
            )
        if class_id in found:
            raise InputError(
                f"--keep_components names {class_names[class_id]} twice, by name and id"
            )
        found[class_id] = count
    return found
