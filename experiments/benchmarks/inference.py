"""The time of sampling, windows and metrics, beside the time of their parts."""

import importlib.util
import warnings

import numpy as np
import tensorflow as tf

from experiments.benchmarks.peak_memory import peak_bytes, reset_peak
from experiments.benchmarks.timing import interleaved_medians
from experiments.benchmarks.two_branches import sample_figures
from tf_diffseg.inference import SlidingWindow
from tf_diffseg.metrics import case_metrics
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

WINDOW_SHAPE = (48, 64, 48)
VOLUME_SHAPE = (192, 192, 128)
OVERLAP = 0.25
NUM_CLASSES = 4
NUM_CHANNELS = (16, 32, 64, 128)
SPACING_MM = (1.0, 1.0, 1.5)
TOLERANCES_MM = (1.0, 2.0)
_MIB = 2**20


def run(repeats):
    """Times samples, a volume of many windows, and a case's metrics.

    The whole volume takes long: it has at most three timed runs.
    """
    return {
        "device": tf.config.list_logical_devices()[-1].name,
        **_sampling(repeats),
        **_windows(min(repeats, 3)),
        **_metrics(repeats),
        **sample_figures(repeats),
    }


def _sampling(repeats):
    """Five reverse steps of one window, beside five bare forward passes."""
    model = DiffusionUNet3D(NUM_CLASSES, num_channels=NUM_CHANNELS)
    image = tf.random.stateless_normal([1, *WINDOW_SHAPE, 1], [0, 1])
    x_t = tf.random.stateless_normal([1, *WINDOW_SHAPE, NUM_CLASSES], [0, 2])
    inputs = {"image": image, "x_t": x_t, "t": tf.constant([0.4])}
    forward = tf.function(lambda: model(inputs, training=False))
    sample = tf.function(model.sample)
    steps = model.num_steps
    seconds = interleaved_medians(
        {
            "forwards": lambda: [forward().numpy() for _ in range(steps)],
            "sample": lambda: sample(image, tf.constant([0])).numpy(),
        },
        repeats,
    )
    return {
        "window": "x".join(map(str, WINDOW_SHAPE)),
        "five_forwards_s": seconds["forwards"],
        "five_step_sample_s": seconds["sample"],
        "sample_over_forwards": seconds["sample"] / seconds["forwards"],
    }


def _windows(repeats):
    """A volume window by window, beside only the forward passes.

    The network takes one step: with five, the cost of windows would be a fifth of this.
    """
    model = DiffusionUNet3D(
        NUM_CLASSES, num_channels=NUM_CHANNELS, strategy="supervised"
    )
    places = []

    def count(image, seed):
        places.append(1)
        return tf.ones([*image.shape[:4], NUM_CLASSES])

    image = tf.random.stateless_normal([1, *VOLUME_SHAPE, 1], [0, 1])
    seed = tf.constant([0])
    SlidingWindow(count, WINDOW_SHAPE, (NUM_CLASSES,), OVERLAP)(image, seed)
    window = image[:, : WINDOW_SHAPE[0], : WINDOW_SHAPE[1], : WINDOW_SHAPE[2]]
    forward = tf.function(lambda: model.sample(window, seed))
    whole = tf.function(
        SlidingWindow(model.sample, WINDOW_SHAPE, (NUM_CLASSES,), OVERLAP)
    )
    forward()
    whole.get_concrete_function(image, seed)
    reset_peak()
    before = peak_bytes()
    functions = {
        "forwards": lambda: [forward().numpy() for _ in places],
        "windowed": lambda: whole(image, seed).numpy(),
    }
    seconds = interleaved_medians(functions, repeats, num_warm_ups=0)
    after = peak_bytes()
    result_mib = np.prod(VOLUME_SHAPE) * NUM_CLASSES * 4 / _MIB
    return {
        "volume": "x".join(map(str, VOLUME_SHAPE)),
        "num_windows": len(places),
        "windows_forward_s": seconds["forwards"],
        "windowed_s": seconds["windowed"],
        "windowed_over_forward": seconds["windowed"] / seconds["forwards"],
        "result_mib": float(result_mib),
        "peak_memory_mib": after / _MIB,
        "peak_memory_of_windows_mib": (after - before) / _MIB,
    }


def _metrics(repeats):
    """All metrics of a case, beside those that surface-distance has too."""
    truth, predicted = _labels(0.0), _labels(1.5)
    affine = np.diag([*SPACING_MM, 1.0])
    functions = {
        "ours": lambda: case_metrics(
            truth, predicted, NUM_CLASSES + 1, affine, TOLERANCES_MM
        )
    }
    is_installed = importlib.util.find_spec("surface_distance") is not None
    if is_installed:
        functions["deepmind"] = lambda: _deepmind(truth, predicted)
    with warnings.catch_warnings():
        # surface-distance 0.1 uses deprecated names of SciPy.
        warnings.simplefilter("ignore", DeprecationWarning)
        seconds = interleaved_medians(functions, min(repeats, 5))
    figures = {"metrics_classes": NUM_CLASSES, "metrics_s": seconds["ours"]}
    if not is_installed:
        return {**figures, "surface_distance_s": "not installed"}
    return {
        **figures,
        "surface_distance_s": seconds["deepmind"],
        "metrics_over_surface_distance": seconds["ours"] / seconds["deepmind"],
    }


def _labels(shift):
    """Ellipsoids of four classes, of a fifth to a third of the volume's length."""
    grid = np.moveaxis(np.indices(VOLUME_SHAPE), 0, -1)
    label = np.zeros(VOLUME_SHAPE, np.int32)
    for class_id in range(1, NUM_CLASSES + 1):
        centre = np.array(VOLUME_SHAPE) * (0.25 + 0.5 * (class_id % 2)) + shift
        centre[1] = VOLUME_SHAPE[1] * (0.3 + 0.4 * (class_id > 2))
        radii = np.array(VOLUME_SHAPE) * (0.1 + 0.02 * class_id) + shift
        label[np.sum(((grid - centre) / radii) ** 2, axis=-1) <= 1.0] = class_id
    return label


def _deepmind(truth, predicted):
    import surface_distance

    for class_id in range(1, NUM_CLASSES + 1):
        masks = truth == class_id, predicted == class_id
        distances = surface_distance.compute_surface_distances(*masks, SPACING_MM)
        surface_distance.compute_dice_coefficient(*masks)
        surface_distance.compute_average_surface_distance(distances)
        for percent in (95, 100):
            surface_distance.compute_robust_hausdorff(distances, percent)
        for mm in TOLERANCES_MM:
            surface_distance.compute_surface_dice_at_tolerance(distances, mm)
