"""Measures what a run costs."""

import dataclasses
import statistics
import time

import keras

from tf_diffseg.runs.evaluation import scorer_of
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.runs.trial import NUM_STEPS, trial_run

# The first is slower, as the graph of the sampler is made for it.
_SCORED_CASES = 3


@dataclasses.dataclass(frozen=True)
class RunCost:
    """What a run costs.

    Attributes:
        step_seconds: of a training step.
        other_seconds: of what comes once: building the network, scoring the cases.
    """

    step_seconds: float
    other_seconds: float


def measure_run(config, manifest, data_dir, split):
    """Measures a `RunCost` by a few steps, and a few cases of the split to score.

    Raises:
        InputError: as in `trial.measure_step`.
    """
    keras.backend.clear_session()
    began = time.perf_counter()
    with trial_run(config, manifest, data_dir) as (run_folder, step_seconds):
        start_seconds = time.perf_counter() - began - NUM_STEPS * step_seconds
        trained = TrainedModels([run_folder], InferenceOptions())
        scorer = scorer_of(trained, manifest, manifest.shard_paths(data_dir, split))
        uids = manifest.split(split).uids
        marks = [time.perf_counter()]
        for _ in scorer.score(set(uids[:_SCORED_CASES]), "measure"):
            marks.append(time.perf_counter())
    first, *others = (end - start for start, end in zip(marks, marks[1:], strict=False))
    score_seconds = first + (len(uids) - 1) * statistics.fmean(others or [first])
    return RunCost(step_seconds, start_seconds + score_seconds)
