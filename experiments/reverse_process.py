"""The reverse process of one case, step by step, and its picture."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from data_tools.overlay import class_colour, foreground_centre
from tf_diffseg.data.input_pipeline import evaluation_dataset
from tf_diffseg.diffusion import normal_per_example, x_start_to_probabilities


class ReverseStep(NamedTuple):
    """One reverse step of one case.

    Attributes:
        t_index: the step.
        x_t: noisy mask that the network was given, [x, y, z, num_classes].
        predicted: class ids that it predicted, [x, y, z].
    """

    t_index: int
    x_t: np.ndarray
    predicted: np.ndarray


def find_case(shard_paths, uid):
    """The case of that uid: dict of `image`, `label` and `spacing_mm`, arrays."""
    fields = ("image", "label", "spacing_mm", "uid")
    for case in evaluation_dataset(shard_paths, fields).as_numpy_iterator():
        if case["uid"].decode() == uid:
            return case
    raise LookupError(uid)


def sample_steps(model, image, seed):
    """Samples one case and keeps what the network saw and said.

    Args:
        model: a `DiffusionUNet3D` that diffuses.
        image: float32 [x, y, z, channels].
        seed: int.

    Returns:
        List of `ReverseStep`, from noise to the segmentation.
    """
    image, seed = tf.constant(image[np.newaxis]), tf.constant([seed])
    sampler, denoise = model.sampler, tf.function(model.denoise_fn(image))
    x_t = model.initial_noise(image, seed)
    condition = tf.zeros_like(x_t)
    steps = []
    for step in reversed(range(sampler.diffusion.num_timesteps)):
        t_index = tf.constant([step])
        is_conditioned = model.strategy.is_self_conditioned
        inputs = (x_t, t_index, condition) if is_conditioned else (x_t, t_index)
        model_out = denoise(*inputs)
        condition = sampler.predict_x_start(model_out, x_t, t_index)
        predicted = tf.argmax(x_start_to_probabilities(condition), axis=-1)
        steps.append(ReverseStep(step, x_t[0].numpy(), predicted[0].numpy()))
        noise = normal_per_example(seed, step, tf.shape(x_t))
        x_t = sampler.step(model_out, x_t, t_index, noise)
    return steps


def draw(path, case, steps):
    """Draws the axial slice through the middle of the ground truth.

    Args:
        path: of the PNG.
        case: as from `find_case`.
        steps: list of `ReverseStep`.
    """
    cut = foreground_centre(case["label"])[2]
    spacing_x, spacing_y, _ = case["spacing_mm"]
    shape = {"origin": "lower", "aspect": spacing_y / spacing_x}
    image = case["image"][:, :, cut, 0].T
    low, high = np.percentile(image, [1.0, 99.5])
    figure = Figure(figsize=(1.9 * (len(steps) + 1), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(steps) + 1, squeeze=False)
    axes[0, 0].imshow(image, cmap="gray", vmin=low, vmax=high, **shape)
    axes[0, 0].set_title("image", fontsize=9)
    axes[1, 0].imshow(_colours(case["label"][:, :, cut]), **shape)
    axes[1, 0].set_title("ground truth", fontsize=9)
    for (above, below), step in zip(axes[:, 1:].T, steps, strict=True):
        above.imshow(_mixed_colours(step.x_t[:, :, cut]), **shape)
        above.set_title(f"$x_t$, t_index {step.t_index}", fontsize=9)
        below.imshow(_colours(step.predicted[:, :, cut]), **shape)
        below.set_title("predicted", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _palette(num_classes):
    background = [(0.0, 0.0, 0.0)]
    return np.array(
        background + [to_rgb(class_colour(c)) for c in range(1, num_classes)]
    )


def _colours(label):
    """RGB picture [y, x, 3] of class ids [x, y]."""
    return _palette(int(label.max()) + 1)[label].swapaxes(0, 1)


def _mixed_colours(x_t):
    """RGB picture of a noisy mask [x, y, classes]: its classes' colours, mixed."""
    shares = np.clip((x_t + 1.0) / 2.0, 0.0, 1.0)
    shares = shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-6)
    return (shares @ _palette(x_t.shape[-1])).swapaxes(0, 1)
