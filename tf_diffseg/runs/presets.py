"""Presets: those that come with the package, and those made of runs."""

import re

from tf_diffseg.preset_folder import INITIAL_WEIGHTS, check_preset_dir, preset_files
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.shipped_models import model_names, newest_version
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json, write_text

_OF_CARD = ("dataset", "modality", "class_names", "license", "attribution")
_SCORES = ("num_cases", "mean_foreground_dice", "mean_foreground_dice_ci95")


def presets():
    """Lists the presets that come with the package.

    Returns:
        Dict from the name of each, to give to `from_preset`, `load_segmenter` and
        `init_from`, to a dict of its `path` and its `metadata`: the description, the
        data set, classes, license, attribution and Dice. All scores are in the file
        `assets/model_card.json` below the path.

    Example:
        >>> for name, preset in presets().items():
        ...     print(name, preset["metadata"]["description"])
    """
    return {name: _preset(newest_version(name)) for name in model_names()}


def _preset(path):
    card = path / "assets" / "model_card.json"
    known = read_json(card) if card.is_file() else {}
    metadata = {"description": _first_paragraph(path.parent / "README.md")}
    metadata |= {name: known[name] for name in _OF_CARD if name in known}
    scores = known.get("metrics") or {}
    metadata |= {name: scores[name] for name in _SCORES if name in scores}
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
        model_dir: the run folder. Of a model that comes with the package, or of an
            export, `from_preset(...).save_to_preset` keeps the network alone.
        preset_dir: folder to write into, made if it is missing; a preset in it is
            replaced.

    Raises:
        InputError: `model_dir` is no run or has no checkpoint, `preset_dir` holds
            something else than a preset, or something cannot be written.

    Example:
        >>> save_to_preset(run, "my_preset")
        >>> model = DiffusionUNet3D.from_preset("my_preset")
        >>> segmenter = load_segmenter("my_preset")
    """
    from tf_diffseg.training.saving.presets import write_network

    run, preset = RunFolder(model_dir), RunFolder(check_preset_dir(preset_dir))
    config, manifest, model = run.shared_config(), run.manifest(), run.load_model()
    with preset_files(preset_dir) as whole:
        write_network(model, preset, whole)
        manifest.write(preset, whole)
        if (run.path / INITIAL_WEIGHTS).is_file():
            known = {"terms": run.initial_terms(), "trained_on": run.trained_on()}
            write_json(preset.path / INITIAL_WEIGHTS, known, indent=2, whole=whole)
        write_text(preset.config_path, config.to_json(), whole)
