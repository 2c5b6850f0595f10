"""Initial weights of a run: `init_from` and `freeze`, once at its start.

A run that began from other weights holds a file beside its config, with the weights
that were taken, their terms and the frozen layers.
"""

import dataclasses
import json
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.preset_folder import INITIAL_WEIGHTS
from tf_diffseg.runs.run_folder import run_around
from tf_diffseg.runs.terms import terms_of_source, terms_text
from tf_diffseg.shipped_models import find_model, model_names
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json


def config_of_start(config, run_folder):
    """The config with the source of weights that the config of the run holds.

    Args:
        config: `TrainConfig`.
        run_folder: `RunFolder` of a new run or of one that goes on. A run that goes on
            keeps its own `init_from` if the config has none.

    Returns:
        `TrainConfig` whose `init_from` is an absolute path or a name.
    """
    if run_folder.config_path.is_file() and not config.init_from:
        before = run_folder.config()
        return dataclasses.replace(
            config, init_from=before.init_from, freeze=before.freeze
        )
    is_name = config.init_from in model_names()
    if not config.init_from or is_name and not os.path.exists(config.init_from):
        return config
    return dataclasses.replace(config, init_from=os.path.abspath(config.init_from))


def set_initial_weights(model, config, run_folder, place):
    """Gives the model of a new run its initial weights, and freezes layers.

    Args:
        model: the `DiffusionUNet3D`.
        config: `TrainConfig`.
        run_folder: `RunFolder`; None for a new run.
        place: `Place` where the run goes on.

    Returns:
        `InitialWeights` for `remember`; None if the config has no source, or the run
        goes on from its own weights.

    Raises:
        InputError: the source is no model, is damaged, or does not fit; or the file of
            frozen layers cannot be read.
    """
    if not config.init_from:
        return None
    from tf_diffseg.runs import InitError, init_from
    from tf_diffseg.training import freeze_layers

    if any(place):
        print(
            f"init_from={config.init_from} was used when this run began; it goes on "
            "from its own weights",
            flush=True,
        )
        freeze_layers(model, _frozen(run_folder))
        return None
    freeze = None if config.freeze == "none" else config.freeze
    try:
        taken = init_from(model, config.init_from, freeze)
    except InitError as error:
        raise InputError(f"init_from={error}", argument="init_from") from error
    print(taken, flush=True)
    return taken


def remember(taken, config, run_folder):
    """Writes what `set_initial_weights` took, if anything, and where that is from.

    Says under what terms it is, and which cases of the data it has seen.
    """
    if taken is None:
        return
    terms = terms_of_source(config.init_from)
    if terms_text(terms):
        print(terms_text(terms), flush=True)
    source = run_around(config.init_from)
    trained_on = source.trained_on() if source else _of_export(config.init_from)
    _tell_seen(trained_on, config, run_folder.manifest())
    found = dataclasses.asdict(taken) | {"terms": terms, "trained_on": trained_on}
    write_json(run_folder.path / INITIAL_WEIGHTS, found, indent=2)


def _of_export(path_or_name):
    """`RunFolder.trained_on` of an export; empty for other files."""
    card = pathlib.Path(find_model(path_or_name), "assets", "model_card.json")
    dataset = read_json(card).get("dataset") if card.is_file() else None
    return {dataset: None} if dataset else {}


def _tell_seen(trained_on, config, manifest):
    """Says if the weights have seen cases that this run is to be scored on."""
    if manifest.dataset in trained_on and trained_on[manifest.dataset] is None:
        print(
            f"note: {config.init_from} was trained on cases of {manifest.dataset} and "
            "does not say which: scores may be of cases that the network has seen",
            flush=True,
        )
    seen = set(trained_on.get(manifest.dataset) or [])
    for name in manifest.splits.keys() - {"train"}:
        number = len(seen.intersection(manifest.split(name).uids))
        if number:
            print(
                f"note: {config.init_from} was trained on {number} case(s) of the "
                f"split {name}: scores on it are of cases that the network has seen, "
                "and experiments.evaluate refuses them",
                flush=True,
            )


def _frozen(run_folder):
    """Names of the layers that the run froze at its start."""
    path = run_folder.path / INITIAL_WEIGHTS
    try:
        return json.loads(path.read_text(encoding="utf-8"))["frozen"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} says which layers of the run are frozen, and cannot be read: "
            f"{error}"
        ) from error
