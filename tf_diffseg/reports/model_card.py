"""The model card of an export."""

import dataclasses
import json
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.reports.colours import class_colour
from tf_diffseg.version import __version__


def model_card(trained, name, served, metrics=None, attribution=None):
    """Describes an exported model.

    Args:
        trained: `TrainedModels`. What an ensemble has in common is that of the first.
        name: name of the model.
        served: dict of how the model is served, such as `num_samples`.
        metrics: from `read_metrics`, or None if the run is not evaluated.
        attribution: who made the training data, and its license.

    Returns:
        JSON-able dict.
    """
    manifest, options = trained.manifest, trained.options
    sampler, splits = trained.models[0].sampler, manifest.splits
    return {
        "name": name,
        "version": __version__,
        "dataset": manifest.dataset,
        "modality": manifest.modality,
        "license": manifest.license,
        "attribution": attribution,
        "class_names": manifest.class_names,
        "label_values": manifest.label_values,
        "ignore_label": manifest.ignore_label,
        "class_colours": [None]
        + [class_colour(class_id) for class_id in range(1, manifest.num_classes)],
        "channel_names": manifest.channel_names,
        "targets": dataclasses.asdict(trained.targets),
        "preprocessing": manifest.preprocessing,
        "sampling": {
            "sampler": sampler and type(sampler).__name__,
            "options": sampler and sampler.options,
            "num_timesteps": sampler and sampler.diffusion.num_timesteps,
            "overlap": options.overlap,
            "flip_axes": options.flip_axes,
        },
        "served": served,
        "checkpoint": trained.checkpoints[0].name,
        "training": dataclasses.asdict(trained.run_folders[0].shared_config()),
        "ensemble": _ensemble(trained),
        "training_data": {
            "num_cases": {name: len(split.uids) for name, split in splits.items()},
            "sha256": {
                shard.file_name: shard.sha256
                for split in splits.values()
                for shard in split.shards
            },
            "fingerprint": manifest.fingerprint,
        },
        "initial_weights": [
            terms for folder in trained.run_folders for terms in folder.initial_terms()
        ],
        "metrics": metrics and _without_paths(metrics),
    }


def _without_paths(metrics):
    """The results with names of checkpoints in place of paths on this machine."""
    inference = metrics.get("inference")
    if not inference:
        return metrics
    names = [pathlib.PurePath(path).name for path in inference["checkpoints"]]
    return metrics | {"inference": inference | {"checkpoints": names}}


def _ensemble(trained):
    """List of the runs of an ensemble, JSON-able; empty for a single run."""
    folders, checkpoints = trained.run_folders, trained.checkpoints
    if len(folders) == 1:
        return []
    return [
        {
            "run": folder.path.name,
            "checkpoint": checkpoint.name,
            "num_training_cases": len(folder.manifest().split("train").uids),
        }
        for folder, checkpoint in zip(folders, checkpoints, strict=True)
    ]


def read_metrics(results_dir):
    """Reads the results of an evaluation, for the model card.

    Args:
        results_dir: folder that experiments.evaluate wrote.

    Returns:
        JSON-able dict.

    Raises:
        InputError: there is no evaluation, or it cannot be read.
    """
    path = pathlib.Path(results_dir) / "metrics.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"results_dir={results_dir} holds no metrics.json; "
            "experiments.evaluate writes it into its `output_dir`",
            argument="results_dir",
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
