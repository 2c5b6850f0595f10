"""The data of a run: that of a folder, or of one fold of it. Loads no TensorFlow."""

import pathlib

from tf_diffseg.data.folds import manifest_of_fold
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs.run_folder import RunFolder, run_around


def read_run_data(config, data_dir):
    """Reads the `Manifest` of a data set, divided as a `TrainConfig` says.

    Raises:
        InputError: as in `read_manifest`, there are fewer groups than folds, or
            one of `folds`, `fold` and `test_in_folds` lacks another.
    """
    if config.test_in_folds and not config.folds:
        raise InputError(
            "test_in_folds needs `folds`, into how many the cases are divided",
            argument="test_in_folds",
        )
    if config.folds and config.fold is None:
        raise InputError(
            f"folds={config.folds} needs `fold`, from 0 to {config.folds - 1}; "
            "experiments.cross_validate trains all of them",
            argument="folds",
        )
    return _divided(read_manifest(data_dir), config)


def _divided(manifest, config):
    if not config.folds:
        return manifest
    return manifest_of_fold(manifest, config.folds, config.fold, config.test_in_folds)


def read_as_divided(data_dir, run_folders):
    """Reads the `Manifest` of data to evaluate runs on.

    If all runs were trained on the same fold of these data, the splits are those of
    the fold: its "validation" are the cases that the runs have not seen. Other data,
    and data for runs of several folds, keep their own splits.

    Raises:
        InputError: as in `read_run_data`.
    """
    manifest = read_manifest(data_dir)
    config, *others = [folder.config() for folder in run_folders]
    fold = _fold_of(config)
    if not config.folds or any(_fold_of(other) != fold for other in others):
        return manifest
    uids = {uid for split in manifest.splits.values() for uid in split.uids}
    if uids.isdisjoint(run_folders[0].manifest().split("train").uids):
        return manifest
    return _divided(manifest, config)


def _fold_of(config):
    return config.folds, config.fold, config.test_in_folds


def check_start_is_unaware(config, manifest):
    """Checks that a fold does not begin from a run that has seen its validation.

    Args:
        config: `TrainConfig`, whose `init_from` is a path or a name.
        manifest: `Manifest` from `read_run_data`.

    Raises:
        InputError: `init_from` is a run, or a checkpoint in one, whose weights were
            trained on cases that the fold is validated on.
    """
    if not (config.folds and config.init_from):
        return
    source = run_around(config.init_from)
    if source is None:
        return
    held_out = set(manifest.split("validation").uids)
    trained_on = source.trained_on().get(manifest.dataset) or []
    seen = [uid for uid in trained_on if uid in held_out]
    if seen:
        raise InputError(
            f"init_from={config.init_from} was trained on {len(seen)} of the cases "
            f"that fold {config.fold} is validated on, such as {seen[0]}: its scores "
            "would be of cases that the network has seen",
            argument="init_from",
        )


def runs_of(path):
    """The run folders of a path: one for each fold, if it is a cross-validation.

    Args:
        path: a run folder, a checkpoint, or the folder of a cross-validation.

    Returns:
        List of paths; `path` itself if it is no cross-validation.

    Raises:
        InputError: the run of a fold has not begun, or is on another fold.
    """
    if not is_cross_validation(path):
        return [path]
    first = RunFolder(fold_dir(path, 0)).config()
    num_folds = first.folds
    runs = [fold_dir(path, fold) for fold in range(num_folds)]
    for fold, run in enumerate(runs):
        if not RunFolder(run).config_path.is_file():
            raise InputError(
                f"{path} is not the mean of {num_folds} folds yet: fold {fold} has no "
                "run; experiments.cross_validate goes on"
            )
        expected = num_folds, fold, first.test_in_folds
        found = _fold_of(RunFolder(run).config())
        if found != expected:
            raise InputError(
                f"{run} is no run on fold {fold} of {num_folds}: its config has "
                f"`folds`, `fold` and `test_in_folds` of {found}, expected {expected}"
            )
    return runs


def is_cross_validation(path):
    """Whether a path is the folder of a cross-validation, whose first run has begun."""
    first = RunFolder(fold_dir(path, 0))
    is_run = RunFolder(path).config_path.is_file()
    return not is_run and first.config_path.is_file() and first.config().folds > 0


def fold_dir(output_dir, fold):
    """Path of the run folder of a fold, in the folder of a cross-validation."""
    return pathlib.Path(output_dir) / f"fold_{fold}"
