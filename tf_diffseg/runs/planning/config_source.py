"""Writes a config as a Python file to edit."""

import dataclasses
import textwrap

from tf_diffseg.runs.train_config import TrainConfig

_HEAD = '''"""Config{of}, for `experiments.train --config=`."""

from tf_diffseg import TrainConfig


def get_config():
    """The values that differ from the defaults."""
    return TrainConfig(
'''
_INDENT = " " * 8


def config_source(config, recommendation=None):
    """Writes a Python file whose `get_config()` gives a config.

    Args:
        config: `TrainConfig`.
        recommendation: `Recommendation` whose reasons stand above the values, or None.

    Returns:
        Its text.
    """
    choices = recommendation.choices if recommendation else []
    lines, said = [], None
    for name, value, why in choices:
        if why != said:
            lines += textwrap.wrap(
                f"# {why}", 88, initial_indent=_INDENT, subsequent_indent=f"{_INDENT}# "
            )
        lines.append(f"{_INDENT}{name}={value!r},")
        said = why
    chosen = {name for name, _, _ in choices}
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        if value != field.default and field.name not in chosen:
            lines.append(f"{_INDENT}{field.name}={value!r},")
    of = f" for {recommendation.dataset}" if recommendation else ""
    return "\n".join([_HEAD.format(of=of) + "\n".join(lines), "    )", ""])
