"""Evaluations, and models to evaluate, that experiments.compare_runs compares.

Both have `path`, `class_names`, `uids` and `data` before any work is done; `data` is
the dataset and split, empty if an evaluation does not name them. `values()` then gives
the scores, like `results_folder.read_values`.
"""

from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.metric_columns import metric_values
from tf_diffseg.evaluation.results_folder import (
    FOREGROUND,
    data_of,
    metric_text,
    read_data,
    read_values,
    with_foreground,
)
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels, is_run

_SPLIT = "test"


class Evaluation:
    """A folder that experiments.evaluate wrote; `metric` is a column of its table.

    Raises:
        InputError: as in `read_values` and `read_data`.
    """

    def __init__(self, path, metric):
        self.path = path
        self.data = read_data(path)
        self._values = read_values(path, metric)
        self.class_names = list(self._values)
        self.uids = set(self._values[FOREGROUND])

    def check_data(self, wanted):
        """Raises InputError unless its `data` is what flags ask for."""
        for name, value in wanted.items():
            if self.data.get(name) != value:
                found = self.data.get(name, "one that its metrics.json does not tell")
                raise InputError(
                    f"{self.path} was evaluated on the {name} {found}, not on {value}, "
                    "as flags ask for; evaluate it again, or leave out the flags"
                )

    def values(self):
        """The scores."""
        return self._values


class Model:
    """A training run, or a checkpoint in one, to evaluate on a split of shards.

    Raises:
        InputError: as in `evaluation.evaluate_run`, but before any evaluation.
    """

    def __init__(self, path, metric, data_dir, split):
        trained = TrainedModels([path], InferenceOptions())
        manifest = trained.read_data(data_dir, split)
        manifest.shard_paths(data_dir, split)
        load_tensorflow()
        trained.checkpoints  # noqa: B018, raises if there is none
        self.path = path
        self.data = data_of(manifest, split)
        self._targets = trained.targets.names[1:]
        self.class_names = list(dict.fromkeys([*self._targets, FOREGROUND]))
        self.uids = set(manifest.split(split).uids)
        self._metric, self._data_dir, self._split = metric, data_dir, split

    def values(self):
        """Evaluates the model, and gives the scores."""
        from tf_diffseg.runs.evaluation import evaluate_run

        cases = evaluate_run(self.path, self._data_dir, self._split)
        columns = {case.uid: metric_values(case)[self._metric] for case in cases}
        return with_foreground(
            {
                # As a folder of results has them, so that equal ones are equal.
                name: {
                    uid: float(metric_text(column[target]) or "nan")
                    for uid, column in columns.items()
                }
                for target, name in enumerate(self._targets, start=1)
            }
        )


def find_compared(paths, metric, data_dir=None, split=None):
    """Makes the `Evaluation` or `Model` of each path, without evaluating any.

    Args:
        paths: `pathlib.Path`s of evaluations. With `data_dir` also of runs and
            checkpoints; these are evaluated even if their folder holds an evaluation.
        metric: key of `METRICS`.
        data_dir: folder of the shards to evaluate on, or None.
        split: name of the split; for models "test" by default.

    Returns:
        List of `Evaluation` and `Model`.

    Raises:
        InputError: a path is neither, or they cannot be compared.
    """
    wanted = {"split": split} if split else {}
    if data_dir is not None:
        split = split or _SPLIT
        wanted = data_of(read_manifest(data_dir), split)
    found = [
        Model(path, metric, data_dir, split)
        if data_dir is not None and is_run(path)
        else _checked_evaluation(path, metric, data_dir, wanted)
        for path in paths
    ]
    check_comparable(found)
    return found


def _checked_evaluation(path, metric, data_dir, wanted):
    """The `Evaluation` of a path; raises InputError unless its data is as wanted."""
    if not (path / "metrics.csv").is_file():
        expected = "a folder with the metrics.csv of experiments.evaluate"
        if data_dir is not None:
            expected += ", a training run or a checkpoint of one"
        elif is_run(path):
            expected += "; `data_dir` evaluates runs and checkpoints"
        problem = "holds no metrics.csv" if path.exists() else "does not exist"
        raise InputError(f"{path} {problem}, expected {expected}")
    evaluation = Evaluation(path, metric)
    evaluation.check_data(wanted)
    return evaluation


def check_comparable(compared):
    """Raises InputError unless all have the same data, classes and cases."""
    first = compared[0]
    for other in compared[1:]:
        if first.data and other.data and first.data != other.data:
            raise InputError(
                f"{other.path} is of {_split_text(other.data)}, {first.path} of "
                f"{_split_text(first.data)}"
            )
        if other.class_names != first.class_names:
            raise InputError(
                f"{other.path} has the classes {', '.join(other.class_names)}, "
                f"{first.path} has {', '.join(first.class_names)}"
            )
        if other.uids != first.uids:
            differing = sorted(other.uids ^ first.uids)
            raise InputError(
                f"{other.path} and {first.path} are of other cases; {len(differing)} "
                f"are only in one of them, such as {differing[0]}"
            )


def _split_text(data):
    return f"the split {data['split']} of {data['dataset']}"
