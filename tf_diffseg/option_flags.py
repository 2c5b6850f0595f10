"""Makes flags of the options of a dataclass; see `tf_diffseg.fields`."""

import dataclasses

from absl import flags

from tf_diffseg.errors import as_flags
from tf_diffseg.fields import kinds

# absl then counts a flag to the module that calls `define_flags`.
flags.disclaim_key_flags()


def define_flags(cls, names=None, has_defaults=True):
    """Defines a flag for every option.

    Args:
        cls: a dataclass of options.
        names: names of the options that get a flag; None for all.
        has_defaults: whether a flag has the default of its option. If not, the
            default is None.
    """
    option_kinds = kinds(cls)
    for field in dataclasses.fields(cls):
        if names is None or field.name in names:
            default = field.default if has_defaults else None
            _define(field.name, option_kinds[field.name], default, field.metadata)


def _define(name, kind, default, metadata):
    help_text = as_flags(metadata["help"])
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


def from_flags(cls):
    """Makes an instance of `cls` from the flags of `define_flags`.

    Args:
        cls: a dataclass of options; it gives the values of flags that are None.

    Raises:
        InputError: a value does not fit its option.
    """
    return cls(**given_values(cls))


def given_values(cls):
    """Dict from name to value of the options of `cls` whose flags are not None."""
    values = {}
    for name, kind in kinds(cls).items():
        value = flags.FLAGS[name].value if name in flags.FLAGS else None
        if value is not None:
            values[name] = _numbers(value) if kind is tuple else value
    return values


def _numbers(texts):
    """Converts texts to whole numbers; joins them again if one is anything else.

    A slash divides rows of numbers: 2,2,1/2,2,2 becomes ((2, 2, 1), (2, 2, 2)).
    """
    text = ",".join(texts)
    try:
        rows = tuple(tuple(map(int, row.split(","))) for row in text.split("/"))
    except ValueError:
        return () if not texts else text
    return rows if len(rows) > 1 else rows[0]
