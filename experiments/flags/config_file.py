"""Configs: Python files that define `get_config()`."""

import dataclasses
import importlib.util
import os
import pathlib
import re

from tf_diffseg.errors import InputError
from tf_diffseg.fields import check_options
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import named_options

CONFIGS_DIR = pathlib.Path(__file__).parents[1] / "configs"


def load_config(name_or_file):
    """Runs `get_config()` of a config.

    Args:
        name_or_file: name of a module in experiments/configs, or path of a Python
            file; with arguments of its `get_config` as in "amos_ct:dimensions=2".

    Returns:
        `TrainConfig`.

    Raises:
        InputError: there is no such config, it defines no `get_config()`, or that
            fails or gives something else.
    """
    name, arguments = name_or_file, {}
    if not os.path.exists(name_or_file):
        try:
            name, arguments = named_options(name_or_file)
        except ValueError as error:
            raise InputError(f"--config={error}") from error
    path = pathlib.Path(name)
    if path.suffix != ".py":
        path = CONFIGS_DIR / f"{name}.py"
    if not path.is_file():
        names = sorted(p.stem for p in CONFIGS_DIR.glob("[!_]*.py"))
        raise InputError(
            f"--config={name_or_file}: expected the path of a .py file or one of "
            f"{', '.join(names)}; there is no file {path}"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    _call(name_or_file, spec.loader.exec_module, module)
    if not hasattr(module, "get_config"):
        raise InputError(f"--config={name_or_file}: {path} defines no get_config()")
    try:
        check_options(path.stem, arguments, module.get_config)
    except ValueError as error:
        raise InputError(f"--config={name_or_file}: {error}") from error
    config = _call(name_or_file, module.get_config, **arguments)
    if not isinstance(config, TrainConfig):
        raise InputError(
            f"--config={name_or_file}: get_config() must return a TrainConfig, "
            f"got {type(config).__name__}"
        )
    return config


def _call(name_or_file, function, *arguments, **named):
    """Calls what the user wrote; whatever it raises becomes one InputError."""
    try:
        return function(*arguments, **named)
    except InputError as error:
        what = str(error)
    except SyntaxError as error:
        what = f"syntax error in line {error.lineno}: {error.msg}"
    except Exception as error:
        what = _unknown_field(error) or f"{type(error).__name__}: {error}"
    raise InputError(f"--config={name_or_file}: {what}")


def _unknown_field(error):
    match = re.search(r"TrainConfig.*unexpected keyword argument '(\w+)'", str(error))
    if match is None:
        return None
    names = ", ".join(field.name for field in dataclasses.fields(TrainConfig))
    return f"TrainConfig has no field {match.group(1)}, expected one of {names}"
