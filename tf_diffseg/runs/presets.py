"""Presets: those that come with the package, and those made of runs."""

import pathlib
import re

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.shipped_models import PRESET, find_model, model_names
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_text

_OF_CARD = ("dataset", "modality", "class_names", "license", "attribution", "metrics")


def presets():
    """Lists the presets that come with the package.

    Returns:
        Dict from the name of each, to give to `from_preset`, `load_segmenter` and
        `init_from`, to a dict of its `path` and its `metadata`: the description, the
        data set, classes, license, attribution and scores.

    Example:
        >>> for name, preset in presets().items():
        ...     print(name, preset["metadata"]["description"])
    """
    return {name: _preset(pathlib.Path(find_model(name))) for name in model_names()}


def _preset(path):
    card = path / "assets" / "model_card.json"
    known = read_json(card) if card.is_file() else {}
    metadata = {"description": _first_paragraph(path.parent / "README.md")}
    metadata |= {name: known[name] for name in _OF_CARD if name in known}
    return {"path": str(path), "metadata": metadata}


def _first_paragraph(page):
    """The text below the title of a page in one line; empty if there is none."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    found = re.search(r"^# .*\n\s*((?:\S.*\n?)+)", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def save_to_preset(model_dir, preset_dir):
    """Makes a preset of a run: a small folder to keep, to hand on and to load.

    It holds the network of the newest checkpoint, with averaged weights if there are
    any, and the run's config and manifest: classes, preprocessing, names of the cases.
    It does not hold the state of the optimizer, so no training can go on from it, but
    one can begin from its weights. `from_preset`, `load_segmenter`, `init_from` and
    the commands that take a run take its path.

    Args:
        model_dir: the run folder.
        preset_dir: folder to write into; a preset in it is replaced.

    Raises:
        InputError: `model_dir` is no run or has no checkpoint, `preset_dir` holds a
            run, or something cannot be written.

    Example:
        >>> save_to_preset(run, "my_preset")
        >>> model = DiffusionUNet3D.from_preset("my_preset")
        >>> segmenter = load_segmenter("my_preset")
    """
    run, folder = RunFolder(model_dir), output_folder("preset_dir", preset_dir)
    preset = RunFolder(folder)
    if preset.config_path.is_file() and not (folder / PRESET).is_file():
        raise InputError(
            f"preset_dir={preset_dir} holds a run: name another folder",
            argument="preset_dir",
        )
    config, manifest = run.config(), run.manifest()
    run.load_model().save_to_preset(folder)
    manifest.write(folder)
    write_text(preset.config_path, config.to_json())
