"""The input pipeline: its speed, the cost of each step, and whether training waits.

    python -m experiments.benchmark --suite=input_pipeline --data_dir=SHARDS

Without --data_dir it uses random volumes of 40x56x40. If MONAI is installed, the same
augmentation by MONAI takes turns with ours, both on cases in memory: with two threads
and two workers, and for processor time with one of each.
"""

import importlib.util
import statistics
import time

import keras
import tensorflow as tf

from experiments.benchmarks.example_shards import example_shards
from tf_diffseg.data.augmentation.chain import augment
from tf_diffseg.data.augmentation.options import AugmentationConfig
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.training_pipeline import training_dataset
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

BATCH_SIZE = 2
NUM_CHANNELS = (16, 32, 64, 128)
_BATCHES_PER_RUN = 40
_STEPS_PER_RUN = 5
_CASES_IN_MEMORY = 32
_STEPS = (
    "affine", "elastic", "noise", "blur", "brightness", "contrast", "low_resolution",
    "gamma", "flip",
)  # fmt: skip
# Augmentation that both libraries have, applied every time.
COMPARED = {
    "affine_probability": 1.0,
    "gamma_probability": 1.0,
    "noise_probability": 1.0,
    "flip_axes": "x",
}


def run(repeats, data_dir=None):
    """Times the pipeline alone, each step of augmentation, and training with it.

    It reads the training cases of `data_dir` whole. Times per example are processor
    time: several examples run at once, so they do not add up to elapsed time.
    """
    with example_shards(data_dir) as shards:
        figures = {
            "cases": shards.num_examples,
            "volume": "x".join(map(str, shards.shape)),
            "channels": shards.num_channels,
        }
        figures |= _pipeline_figures(shards, repeats)
        figures |= _monai_figures(shards, repeats)
        figures |= _training_figures(shards, repeats)
    return figures


def _default_augmentation():
    return {**AugmentationConfig().augmentation(), "flip_axes": "x"}


def _dataset(shards, **augmentation):
    return training_dataset(
        shards.paths, shards.num_examples, shards.shape, BATCH_SIZE, **augmentation
    )


def _timed_run(dataset, num_batches):
    """(seconds, processor seconds) per example of a pipeline that has started."""
    batches = iter(dataset)
    next(batches)
    started, cpu_started = time.perf_counter(), time.process_time()
    for _ in range(num_batches):
        next(batches)
    num_examples = num_batches * BATCH_SIZE
    return (
        (time.perf_counter() - started) / num_examples,
        (time.process_time() - cpu_started) / num_examples,
    )


def _medians(datasets, repeats):
    """Dict from name to medians of `_timed_run`; the datasets take turns."""
    runs = {name: [] for name in datasets}
    for repeat in range(repeats + 1):
        for name, dataset in datasets.items():
            result = _timed_run(dataset, _BATCHES_PER_RUN)
            if repeat:
                runs[name].append(result)
    return {
        name: tuple(statistics.median(column) for column in zip(*results, strict=True))
        for name, results in runs.items()
    }


def _pipeline_figures(shards, repeats):
    defaults = _default_augmentation()
    datasets = {"full": _dataset(shards, **defaults), "read": _dataset(shards)}
    for step in _STEPS:
        axes = {"flip_axes": "x"} if step == "flip" else {}
        datasets[step] = _dataset(shards, **axes, **{f"{step}_probability": 1.0})
    medians = _medians(datasets, repeats)
    read_cpu = medians["read"][1]
    figures = {
        "full_examples_per_s": 1.0 / medians["full"][0],
        "read_examples_per_s": 1.0 / medians["read"][0],
        "full_cpu_ms": 1e3 * medians["full"][1],
        "read_cpu_ms": 1e3 * read_cpu,
    }
    costs = {}
    for step in _STEPS:
        cost = 1e3 * (medians[step][1] - read_cpu)
        figures[f"{step}_cpu_ms"] = cost
        costs[step] = cost * defaults[f"{step}_probability"]
    figures["costliest_at_its_probability"] = max(costs, key=costs.get)
    return figures


def _monai_figures(shards, repeats):
    if importlib.util.find_spec("monai") is None:
        return {"monai": "is not installed, so it is not compared"}
    from experiments.benchmarks.monai_process import timed_monai

    cases = _cases_in_memory(shards)
    one, two = (_compared_dataset(cases, threads) for threads in (1, 2))
    from_shards = _dataset(shards, **COMPARED)
    rows = []
    num_examples = _BATCHES_PER_RUN * BATCH_SIZE
    with timed_monai(cases, 0) as time_alone, timed_monai(cases, 2) as time_workers:
        for _ in range(repeats + 1):
            ours, _ = _timed_run(two, _BATCHES_PER_RUN)
            theirs, _ = time_workers(num_examples)
            _, ours_cpu = _timed_run(one, _BATCHES_PER_RUN)
            _, theirs_cpu = time_alone(num_examples)
            read_too, _ = _timed_run(from_shards, _BATCHES_PER_RUN)
            rows.append((ours, theirs, ours_cpu, theirs_cpu, read_too))
    rows = rows[1:]  # The first run warms up.
    # Ratios are of runs side by side, so that other work on the machine affects both.
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    ours, theirs, ours_cpu, theirs_cpu, read_too = medians
    return {
        "compared_examples_per_s": 1.0 / ours,
        "monai_2_workers_examples_per_s": 1.0 / theirs,
        "times_monai": statistics.median(row[1] / row[0] for row in rows),
        "compared_cpu_ms": 1e3 * ours_cpu,
        "monai_cpu_ms": 1e3 * theirs_cpu,
        "times_less_cpu_than_monai": statistics.median(row[3] / row[2] for row in rows),
        # Only our pipeline reads shards.
        "compared_from_shards_examples_per_s": 1.0 / read_too,
        "times_monai_from_shards": statistics.median(row[1] / row[4] for row in rows),
    }


def _cases_in_memory(shards):
    """The first cases, as a dict from key to an array with a leading axis."""
    cases = evaluation_dataset(shards.paths, ("image", "label", "spacing_mm"))
    num_cases = min(_CASES_IN_MEMORY, shards.num_examples)
    return cases.batch(num_cases).as_numpy_iterator().next()


def _compared_dataset(cases, num_threads):
    """Endless batches of cases in memory, with the compared augmentation."""

    def augmented(number, example):
        changed = augment(example, tf.stack([number, 0]), **COMPARED)
        return {"image": changed["image"], "label": changed["label"]}

    options = tf.data.Options()
    options.deterministic = True
    # As many threads as MONAI has workers; each worker has one thread.
    options.threading.private_threadpool_size = num_threads
    options.threading.max_intra_op_parallelism = 1
    return (
        tf.data.Dataset.from_tensor_slices(cases)
        .repeat()
        .enumerate()
        .map(augmented, num_parallel_calls=2 * num_threads)
        .batch(BATCH_SIZE, drop_remainder=True)
        .prefetch(2 * num_threads)
        .with_options(options)
    )


def _training_figures(shards, repeats):
    model = DiffusionUNet3D(
        shards.num_classes, shards.num_channels, num_channels=NUM_CHANNELS
    )
    model.compile(keras.optimizers.AdamW(1e-3))
    batches = iter(_dataset(shards, **_default_augmentation()))
    cached = next(batches)
    step = tf.function(model.train_step, jit_compile=model.jit_compile)

    def seconds(next_batch):
        # The buffer is full before and after, so the time is that of its throughput.
        time.sleep(0.3)
        started = time.perf_counter()
        for _ in range(_STEPS_PER_RUN):
            step(next_batch())["loss"].numpy()
        return (time.perf_counter() - started) / _STEPS_PER_RUN

    seconds(lambda: cached)
    pairs = [
        (seconds(lambda: cached), seconds(lambda: next(batches)))
        for _ in range(repeats)
    ]
    return {
        "step_with_cached_batch_s": statistics.median(pair[0] for pair in pairs),
        "step_with_pipeline_s": statistics.median(pair[1] for pair in pairs),
        "step_pipeline_over_cached": statistics.median(
            with_pipeline / cached for cached, with_pipeline in pairs
        ),
    }
