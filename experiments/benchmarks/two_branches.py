"""What diffusion costs, beside the supervised network of the same image branch.

Each row is the cost of a network in forward passes, or in train steps, of the
supervised network with the same channels and precision, on the same volume. The rate of
that one's convolutions and products is given as a share of the rate of a matrix product
in its precision.
"""

from typing import Any

import keras
import tensorflow as tf

from experiments.benchmarks.timing import interleaved_medians, matrix_product
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.flops import graph_flops
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D

VOLUME_SHAPE = (40, 56, 40)
NUM_CLASSES = 3
NUM_SAMPLES = 8
_NUM_CHANNELS = {"16": (16, 32, 64, 128), "32": (32, 64, 128, 256)}
_PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_BRANCHES: dict[str, dict[str, Any]] = {
    "one_branch": {},
    "two_branches": {"mask_branch": (32, 64)},
    "logits_branch": {"mask_branch": (16, 32), "mask_output": "logits"},
}


def sample_figures(repeats):
    """The cost of a five-step sample and of eight, in supervised forward passes."""
    return _figures(repeats, _samples)


def step_figures(repeats):
    """The cost of a recycling train step, in supervised train steps."""
    return _figures(repeats, _steps)


def _figures(repeats, functions_of):
    """Dict of figures for each number of channels and precision.

    Args:
        repeats: number of timed runs of each function, which take turns.
        functions_of: function of the networks and a name that gives functions to time,
            by name; that of the supervised network first.
    """
    figures = {"two_branches_volume": "x".join(map(str, VOLUME_SHAPE))}
    for first, num_channels in _NUM_CHANNELS.items():
        for precision, dtype in _PRECISIONS.items():
            options = {"num_channels": num_channels, "dtype": dtype}
            networks = {"supervised": SegmentationUNet3D(NUM_CLASSES, **options)} | {
                name: DiffusionUNet3D(NUM_CLASSES, **branches, **options)
                for name, branches in _BRANCHES.items()
            }
            functions = functions_of(networks)
            product, product_flops = matrix_product(dtype=precision)
            seconds = interleaved_medians({"product": product, **functions}, repeats)
            product_seconds = seconds.pop("product")
            (unit, unit_seconds), *others = seconds.items()
            row = f"{first}_{precision}"
            figures[f"{unit}_{row}_s"] = unit_seconds
            flops = functions[unit].flops
            figures[f"{unit}_{row}_gflop_per_s"] = flops / unit_seconds / 1e9
            figures[f"{unit}_{row}_share_of_matrix_product"] = (
                flops / unit_seconds * product_seconds / product_flops
            )
            for name, value in others:
                figures[f"{name}_{row}"] = value / unit_seconds
            keras.backend.clear_session()
    return figures


def _samples(networks):
    image, _ = _batch()
    one, several = tf.zeros([1], tf.int32), tf.range(NUM_SAMPLES)[tf.newaxis]
    functions = {
        "supervised_forward": _Timed(networks["supervised"].sample, image, one)
    }
    for name in _BRANCHES:
        sample = networks[name].sample
        functions[f"{name}_sample"] = _Timed(sample, image, one)
        if networks[name].mask_branch:  # Otherwise, it is as many times a sample.
            functions[f"{name}_{NUM_SAMPLES}_samples"] = _Timed(sample, image, several)
    return functions


def _steps(networks):
    image, label = _batch()
    functions = {}
    for name, network in networks.items():
        network.compile(KernelDecayAdamW(1e-3))
        functions[f"{name}_step"] = _Timed(
            lambda image, label, network=network: network.train_step((image, label))[
                "loss"
            ],
            image,
            label,
        )
    return functions


def _batch():
    """A random image and label."""
    shape = [1, *VOLUME_SHAPE]
    return (
        tf.random.stateless_normal([*shape, 1], [0, 1]),
        tf.random.stateless_uniform(shape, [0, 2], 0, NUM_CLASSES, tf.int32),
    )


class _Timed:
    """A function that runs a graph to its end.

    Attributes:
        flops: operations of the graph's convolutions and products.
    """

    def __init__(self, function, *inputs):
        self._inputs = inputs
        self._function = tf.function(function, autograph=False).get_concrete_function(
            *inputs
        )
        self.flops = graph_flops(self._function.graph)

    def __call__(self):
        return self._function(*self._inputs).numpy()
