"""The stages from volumes and label maps to an exported model, in one folder."""

import dataclasses
import os

from experiments.chains import chain
from tf_diffseg.data import manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.text import read_json, read_json_value
from tf_diffseg.whole_files import write_json

_OPTIONS = "options.json"
_REPORT = "verification.json"
_TRAINED_BY = "training_command.json"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        command: words of its command, see `chain.command`.
        result: path of what it writes.
        is_done: whether that is there and whole.
        record: path of a file that keeps the command once it has ended well, or None.
    """

    command: list[str]
    result: os.PathLike
    is_done: bool
    record: os.PathLike | None = None


def check_options(folder, options):
    """Keeps the options of a call; once data are verified, later ones need the same.

    Args:
        folder: `pathlib.Path` of the folder of all stages.
        options: list of flags, such as "--images=DIR".

    Raises:
        InputError: options differ, or the folder holds something else.
    """
    path = folder / _OPTIONS
    if not path.is_file() and any(folder.iterdir()):
        raise InputError(
            f"output_dir={folder} holds files, but was not made by this command; name "
            "another",
            argument="output_dir",
        )
    now = sorted(map(_with_absolute_path, options))
    if not _is_verified(folder):
        write_json(path, now, indent=2)
    before = read_json_value(path)
    if before != now:
        old = " ".join(option for option in before if option not in now)
        new = " ".join(option for option in now if option not in before)
        raise InputError(
            f"output_dir={folder} was begun with {old or 'fewer options'}, this call "
            f"has {new or 'fewer options'}; name another folder, or the options that "
            "it began with",
            argument="output_dir",
        )


def _with_absolute_path(option):
    name, _, value = option.partition("=")
    return f"{name}={os.path.abspath(value)}" if os.path.exists(value) else option


def run(to_do):
    """Runs the stages that are not done, each printed.

    Args:
        to_do: iterable of `Stage`s, as from `stages`.

    Returns:
        Exit code of the first command that failed, or 0.
    """
    for stage in to_do:
        if stage.is_done:
            print(f"\n$ {chain.line(stage.command)}\ndone before: {stage.result}")
            continue
        code = chain.run(stage.command)
        if code:
            print(f"\n{stage.command[0]} ended with exit code {code}")
            return code
        if stage.record and "--dry_run" not in stage.command:
            write_json(stage.record, stage.command, indent=2)
    return 0


def stages(folder, data, preprocessing, training, evaluation=(), variant="."):
    """Yields each `Stage`, once the stages before it are done.

    Args:
        folder: `pathlib.Path` of the folder of all stages.
        data: flags that tell verification and conversion which data to read.
        preprocessing: flags of the conversion alone.
        training: flags of the training.
        evaluation: flags of the evaluation.
        variant: name of a folder for run, results and export; other variants share the
            converted data.

    Raises:
        InputError: the data are too few to score a model on.
    """
    report, shards = folder / _REPORT, folder / "shards"
    run, results, export = (
        folder / variant / name for name in ("run", "results", "export")
    )
    is_converted = (shards / manifest.FILE_NAME).is_file()
    verify = chain.command("data_tools.verify_dataset", *data, report_json=report)
    yield Stage(verify, report, is_converted or _is_verified(folder))
    convert = chain.command(
        "data_tools.convert_nifti", *data, *preprocessing, output_dir=shards
    )
    yield Stage(convert, shards, is_converted)
    split = scored_split(shards)
    data_and_run = {"data_dir": shards, "model_dir": run}
    train = chain.command("experiments.train", *training, **data_and_run)
    metrics, trained_by = results / "metrics.json", folder / variant / _TRAINED_BY
    # Only a complete run is evaluated. Whether it goes on with other flags, or refuses
    # them, is for the training to say.
    is_trained = "--dry_run" not in train
    is_trained &= _is_of_run(run, metrics, _evaluated_checkpoint)
    if trained_by.is_file():
        is_trained &= read_json_value(trained_by) == train
    yield Stage(train, run, is_trained, trained_by)
    # Shards know the fold that a run is validated on from its config alone.
    if RunFolder(run).config().test_in_folds:
        split = "validation"
    scored = {**data_and_run, "split": split, "output_dir": results}
    evaluate = chain.command("experiments.evaluate", *evaluation, **scored)
    yield Stage(evaluate, results, _is_of_run(run, metrics, _evaluated_checkpoint))
    command = chain.command(
        "experiments.export", model_dir=run, export_dir=export, results_dir=results
    )
    card = newest_version(export) / "assets" / "model_card.json"
    is_exported = _is_of_run(run, card, lambda card: card["checkpoint"])
    yield Stage(command, export, is_exported and not _is_younger(metrics, card))


def scored_split(shards):
    """The split of converted data to evaluate on: "test", or else "validation".

    Raises:
        InputError: there is neither, or nothing to train on.
    """
    splits = manifest.read_manifest(shards).splits
    for name in ("test", "validation"):
        if {"train", name} <= splits.keys():
            return name
    raise InputError(
        f"the cases in {shards} are in {' and '.join(splits)}, expected a split train, "
        "and test or validation to score the model on: at least two cases, or two "
        "patients if `group_by` finds some, or another `split`"
    )


def newest_version(export):
    """Path of the newest version of a folder of exports, or of the first to be."""
    numbers = [int(path.name) for path in export.glob("[0-9]*")]
    return export / str(max(numbers, default=1))


def _is_verified(folder):
    report = folder / _REPORT
    return report.is_file() and not read_json(report)["num_errors"]


def _is_of_run(run, path, checkpoint_of):
    """Whether a JSON file is of the run's newest checkpoint, and younger than it."""
    checkpoints = [*(run / "checkpoints").glob("epoch-*.keras")]
    if not checkpoints or not path.is_file():
        return False
    newest = max(checkpoints, key=os.path.getmtime)
    return checkpoint_of(read_json(path)) == newest.name and not _is_younger(
        newest, path
    )


def _is_younger(path, other):
    return os.path.getmtime(path) > os.path.getmtime(other)


def _evaluated_checkpoint(metrics):
    (path,) = metrics["inference"]["checkpoints"]
    return os.path.basename(path)
