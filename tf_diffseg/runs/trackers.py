"""Experiment trackers, each through its own Keras callback."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.whole_files import write_json

_PROJECT = "tf_diffseg"
_RUN_IDS_FILE = "tracker.json"


@contextlib.contextmanager
def _wandb(folder, run_id, values):
    """Weights & Biases; with WANDB_MODE=offline it writes only below the folder."""
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", _PROJECT),
        name=folder.name,
        dir=folder,
        config=values,
        id=run_id,
        resume="allow",
    )
    with run:
        yield run.id, WandbMetricsLogger()


@contextlib.contextmanager
def _mlflow(folder, run_id, values):
    """MLflow; without MLFLOW_TRACKING_URI it writes below the folder."""
    import mlflow
    from mlflow.tensorflow import MlflowCallback

    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        if mlflow.get_experiment_by_name(_PROJECT) is None:
            artifacts = (folder / "mlflow_artifacts").as_uri()
            mlflow.create_experiment(_PROJECT, artifact_location=artifacts)
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT))
    with mlflow.start_run(run_id=run_id, run_name=folder.name) as run:
        if run_id is None:  # MLflow cannot change them later, but epochs may change.
            mlflow.log_params(values)
        yield run.info.run_id, MlflowCallback()


TRACKERS = {"wandb": _wandb, "mlflow": _mlflow}


def check_tracker(tracker):
    """Raises InputError unless a tracker is known and its package installed.

    Args:
        tracker: a name of `TRACKERS`, or None.
    """
    if tracker and tracker not in TRACKERS:
        raise InputError(
            f"tracker must be one of {', '.join(TRACKERS)}, got {tracker!r}",
            argument="tracker",
        )
    if tracker and importlib.util.find_spec(tracker) is None:
        raise InputError(
            f"tracker={tracker} needs the package {tracker}, which is not "
            f"installed: pip install 'tf_diffseg[{tracker}]'",
            argument="tracker",
        )


@contextlib.contextmanager
def tracking(tracker, model_dir, config):
    """Opens a run of a tracker, or goes on with that of the run folder.

    Args:
        tracker: a name of `TRACKERS`, or None.
        model_dir: folder of the run; it must exist.
        config: `TrainConfig`.

    Yields:
        List of Keras callbacks.
    """
    if not tracker:
        yield []
        return
    folder = pathlib.Path(model_dir).resolve()
    ids = folder / _RUN_IDS_FILE
    known = json.loads(ids.read_text(encoding="utf-8")) if ids.is_file() else {}
    values = dataclasses.asdict(config)
    with TRACKERS[tracker](folder, known.get(tracker), values) as (run_id, callback):
        write_json(ids, {**known, tracker: run_id})
        yield [callback]
