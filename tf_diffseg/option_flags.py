"""Flags of the options of a dataclass, as `tf_diffseg.fields` describes them."""

import dataclasses

from absl import flags

from tf_diffseg.fields import kinds

# So that a flag counts as one of the module that asks for it.
flags.disclaim_key_flags()


def define_flags(cls, names=None, has_defaults=True):
    """Defines a flag for every option.

    Args:
        cls: a dataclass of options.
        names: of some options, to define flags for these alone.
        has_defaults: whether a flag that is not given has the option's default; if
            not, it is None.
    """
    of_class = kinds(cls)
    for field in dataclasses.fields(cls):
        if names is None or field.name in names:
            default = field.default if has_defaults else None
            _define(field.name, of_class[field.name], default, field.metadata)


def _define(name, kind, default, metadata):
    help_text = metadata["help"]
    if metadata["takes_options"]:
        names = "|".join(metadata["choices"])
        with_options = f"<{names}>, with options as name:option=1.5: {help_text}"
        flags.DEFINE_string(name, default, with_options)
    elif metadata["choices"]:
        flags.DEFINE_enum(name, default, metadata["choices"], help_text)
    elif kind is bool:
        flags.DEFINE_bool(name, default, help_text)
    elif kind is int:
        least, most = metadata["at_least"], metadata["at_most"]
        flags.DEFINE_integer(name, default, help_text, least, most)
    elif kind is float:
        flags.DEFINE_float(name, default, help_text)
    elif kind is str:
        flags.DEFINE_string(name, default, help_text)
    else:
        flags.DEFINE_list(name, default, help_text)


def from_flags(cls, base=None):
    """What the flags of `define_flags` say.

    Args:
        cls: a dataclass of options.
        base: an instance, for the values of flags that are None; None for defaults.

    Returns:
        An instance of `cls`.

    Raises:
        InputError: a value is not as its option must be.
    """
    values = {}
    for name, kind in kinds(cls).items():
        value = flags.FLAGS[name].value if name in flags.FLAGS else None
        if value is not None:
            values[name] = _numbers(value) if kind is tuple else value
    return cls(**values) if base is None else dataclasses.replace(base, **values)


def _numbers(texts):
    """Whole numbers of a flag; as it was written if they are anything else."""
    try:
        return tuple(map(int, texts))
    except ValueError:
        return ",".join(texts)
