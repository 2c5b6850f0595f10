"""What experiments.compare_runs compares: evaluations, and models yet to evaluate.

Both tell on what they are compared before any work: `path`, `class_names`, `uids`, and
`data`, the dataset and split, empty where an evaluation does not tell. `values()` then
gives the figures, as `results_folder.read_values`.
"""

from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.metric_columns import metric_values
from tf_diffseg.evaluation.results_folder import (
    FOREGROUND,
    data_of,
    read_data,
    read_values,
    with_foreground,
)
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels, is_run

_SPLIT = "test"


class Evaluation:
    """A folder that experiments.evaluate wrote.

    Args:
        path: of the folder.
        metric: column of its metrics.csv.

    Raises:
        InputError: as `read_values` and `read_data`.
    """

    def __init__(self, path, metric):
        self.path = path
        self.data = read_data(path)
        self._values = read_values(path, metric)
        self.class_names = list(self._values)
        self.uids = set(self._values[FOREGROUND])

    def check_data(self, wanted):
        """Raises InputError unless it is of what flags ask for, as `data` has it."""
        for name, value in wanted.items():
            if self.data.get(name) != value:
                found = self.data.get(name, "one that its metrics.json does not tell")
                raise InputError(
                    f"{self.path} was evaluated on the {name} {found}, not on {value}, "
                    "as flags ask for; evaluate it again, or leave out the flags"
                )

    def values(self):
        """The figures."""
        return self._values


class Model:
    """A training run, or a checkpoint in one, to evaluate.

    Args:
        path: of the run folder or of the checkpoint.
        metric: key of `METRICS`.
        data_dir: folder of the shards.
        split: name of the split.

    Raises:
        InputError: as `evaluation.evaluate_run`, but at once.
    """

    def __init__(self, path, metric, data_dir, split):
        trained = TrainedModels([path], InferenceOptions())
        manifest = read_manifest(data_dir)
        trained.check_data(manifest, split)
        manifest.shard_paths(data_dir, split)
        load_tensorflow()
        trained.checkpoints  # noqa: B018, raises where there is none
        self.path = path
        self.data = data_of(manifest, split)
        self._targets = trained.targets.names[1:]
        self.class_names = list(dict.fromkeys([*self._targets, FOREGROUND]))
        self.uids = set(manifest.split(split).uids)
        self._metric, self._data_dir, self._split = metric, data_dir, split

    def values(self):
        """The figures, which takes long."""
        from tf_diffseg.runs.evaluation import evaluate_run

        cases = evaluate_run(self.path, self._data_dir, self._split)
        columns = {case.uid: metric_values(case)[self._metric] for case in cases}
        return with_foreground(
            {
                name: {uid: float(column[target]) for uid, column in columns.items()}
                for target, name in enumerate(self._targets, start=1)
            }
        )


def find_compared(paths, metric, data_dir=None, split=None):
    """What paths name, checked as far as can be without evaluating.

    Args:
        paths: `pathlib.Path`s of evaluations, or where there is a `data_dir` of runs
            and of checkpoints, which then are evaluated whatever lies in them.
        metric: key of `METRICS`.
        data_dir: folder of the shards to evaluate on, or None.
        split: name of the split, "test" where models are evaluated without.

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
        else _evaluation(path, metric, data_dir, wanted)
        for path in paths
    ]
    check_comparable(found)
    return found


def _evaluation(path, metric, data_dir, wanted):
    """The `Evaluation` of a path; raises InputError unless it is as wanted."""
    _check_evaluated(path, data_dir)
    evaluation = Evaluation(path, metric)
    evaluation.check_data(wanted)
    return evaluation


def _check_evaluated(path, data_dir):
    if (path / "metrics.csv").is_file():
        return
    expected = "a folder with the metrics.csv of experiments.evaluate"
    if data_dir is not None:
        expected += ", a training run or a checkpoint of one"
    elif is_run(path):
        expected += "; data_dir evaluates runs and checkpoints"
    problem = "is none" if path.exists() else "does not exist"
    raise InputError(f"{path} {problem}, expected {expected}")


def check_comparable(compared):
    """Raises InputError unless all are of the same data, classes and cases."""
    first = compared[0]
    for other in compared[1:]:
        if first.data and other.data and first.data != other.data:
            raise InputError(
                f"{other.path} is of {_told(other.data)}, {first.path} of "
                f"{_told(first.data)}"
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
                f"are in one alone, as {differing[0]}"
            )


def _told(data):
    return f"the split {data['split']} of {data['dataset']}"
