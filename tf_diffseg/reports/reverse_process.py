"""The reverse process of one case, step by step, and its picture."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.diffusion import probabilities_to_label, x_start_to_probabilities
from tf_diffseg.reports.colours import IGNORED_COLOUR, class_colour
from tf_diffseg.reports.overlay import foreground_centre


class ReverseStep(NamedTuple):
    """One reverse step of one case.

    Attributes:
        t_index: index of the step.
        x_t: noisy mask that the network got, [x, y, z, num_classes].
        predicted: class ids that it predicted, [x, y, z].
    """

    t_index: int
    x_t: np.ndarray
    predicted: np.ndarray


def load_case(shard_paths, index):
    """Reads the case at an index of a split: dict of `image`, `label`, `spacing_mm`."""
    fields = ("image", "label", "spacing_mm")
    (case,) = evaluation_dataset(shard_paths, fields).skip(index).take(1)
    return {name: value.numpy() for name, value in case.items()}


def sample_steps(model, image, seed, region_labels=None):
    """Samples one case and keeps what the network got and predicted at each step.

    Args:
        model: a `DiffusionUNet3D` with diffusion.
        image: float32 [x, y, z, channels].
        seed: int.
        region_labels: those of `Targets`.

    Returns:
        List of `ReverseStep`, from noise to the segmentation.
    """
    image, seed = tf.constant(image[np.newaxis]), tf.constant([seed])
    denoise = tf.function(model.denoise_fn(image), autograph=False)
    inputs = []

    def denoise_and_record(x_t, t_index, *condition):
        inputs.append((int(t_index[0]), x_t[0].numpy()))
        return denoise(x_t, t_index, *condition)

    predictions = model.sampler.trajectory(  # Eager, so that each step is recorded.
        denoise_and_record,
        model.initial_noise(image, seed),
        seed,
        model.strategy.is_self_conditioned,
    )
    probabilities = x_start_to_probabilities(predictions[:, 0])
    predicted = probabilities_to_label(probabilities, region_labels).numpy()
    return [
        ReverseStep(t_index, x_t, class_ids)
        for (t_index, x_t), class_ids in zip(inputs, predicted, strict=True)
    ]


def draw(path, case, steps, ignored_id=None, region_labels=None):
    """Draws the axial slice through the middle of the ground truth.

    Args:
        path: PNG file to write.
        case: dict from `load_case`.
        steps: list of `ReverseStep`.
        ignored_id: `Manifest.ignored_id`; such voxels are grey in the ground truth.
        region_labels: those of `Targets`.
    """
    cut = foreground_centre(case["label"], ignored_id)[2]
    spacing_x, spacing_y, _ = case["spacing_mm"]
    shape = {"origin": "lower", "aspect": spacing_y / spacing_x}
    image = case["image"][:, :, cut, 0].T
    low, high = np.percentile(image, [1.0, 99.5])
    figure = Figure(figsize=(1.9 * (len(steps) + 1), 4.6), layout="constrained")
    axes = figure.subplots(2, len(steps) + 1, squeeze=False)
    axes[0, 0].imshow(image, cmap="gray", vmin=low, vmax=high, **shape)
    axes[0, 0].set_title("image", fontsize=9)
    axes[1, 0].imshow(_colours(case["label"][:, :, cut], ignored_id), **shape)
    axes[1, 0].set_title("ground truth", fontsize=9)
    channel_ids = region_labels or range(steps[0].x_t.shape[-1])
    for (above, below), step in zip(axes[:, 1:].T, steps, strict=True):
        above.imshow(_mixed_colours(step.x_t[:, :, cut], channel_ids), **shape)
        above.set_title(f"$x_t$, t_index {step.t_index}", fontsize=9)
        below.imshow(_colours(step.predicted[:, :, cut]), **shape)
        below.set_title("predicted", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _palette(num_classes):
    black = (0.0, 0.0, 0.0)
    return np.array([black, *(to_rgb(class_colour(c)) for c in range(1, num_classes))])


def _colours(label, ignored_id=None):
    """RGB picture [y, x, 3] of class ids [x, y]."""
    palette = _palette(int(label.max()) + 1)
    if ignored_id is not None:
        palette[ignored_id:] = to_rgb(IGNORED_COLOUR)
    return palette[label].swapaxes(0, 1)


def _mixed_colours(x_t, channel_ids):
    """RGB picture [y, x, 3] of a noisy mask [x, y, channels] of these class ids."""
    shares = np.clip((x_t + 1.0) / 2.0, 0.0, 1.0)
    # All regions may be absent, but there is always a class, if only background.
    smallest = 1e-6 if 0 in channel_ids else 1.0
    shares = shares / np.maximum(shares.sum(axis=-1, keepdims=True), smallest)
    palette = _palette(max(channel_ids) + 1)[list(channel_ids)]
    return (shares @ palette).swapaxes(0, 1)
