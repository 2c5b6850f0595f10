"""Several samples of one segmentation, and sample functions made of others.

A sample function (`sample`) is like `DiffusionUNet3D.sample`: (image [batch, x, y, z,
channels], seed [batch]) -> probabilities [batch, x, y, z, ..., classes]. If it encodes
an image once for several samples, it also takes seeds [batch, samples], and gives
[batch, x, y, z, samples, ..., classes].
"""

import itertools

import tensorflow as tf

from tf_diffseg.diffusion.noise import derived_seeds


def sample_seeds(seed, num_samples):
    """Seeds of several samples.

    Args:
        seed: int scalar. The first sample uses it unchanged, so that a single sample
            is `sample(image, seed)`; the others derive their seeds from it.
        num_samples: at least 1.

    Returns:
        Tensor [num_samples] of the seed's type.

    Raises:
        ValueError: `num_samples` is less than 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    seed = tf.convert_to_tensor(seed)
    indices = tf.range(num_samples)
    seeds = tf.fill([num_samples], seed)
    return tf.where(indices == 0, seeds, derived_seeds(seeds, indices))


def sum_over_samples(draw, seeds, batch_size=1):
    """Draws samples in batches, and adds up their results.

    Args:
        draw: function (seeds [n, ...]) -> (sums, each): a nest of tensors to add up,
            and a tensor [n, ...] with a row for each of the n samples.
        seeds: [num_samples, ...]; num_samples must be known statically.
        batch_size: how many samples are drawn at a time, int or int scalar.

    Returns:
        `(sums, each)` of all samples.
    """
    num_samples = seeds.shape[0]
    # The first batch gives the shapes of the others.
    sums, each = draw(seeds[:batch_size])
    if num_samples == 1 or (isinstance(batch_size, int) and num_samples <= batch_size):
        return sums, each

    def add_batch(start, sums, each):
        more, rows = draw(seeds[start : start + batch_size])
        sums = tf.nest.map_structure(
            lambda old, new: tf.ensure_shape(old + new, old.shape), sums, more
        )
        return start + batch_size, sums, tf.concat([each, rows], axis=0)

    _, sums, each = tf.while_loop(
        lambda start, *_: start < num_samples,
        add_batch,
        (tf.convert_to_tensor(batch_size), sums, each),
        shape_invariants=(
            tf.TensorShape([]),
            tf.nest.map_structure(lambda total: total.shape, sums),
            tf.TensorShape([None, *each.shape[1:]]),
        ),
        parallel_iterations=1,
    )
    return sums, each


def steps_last(sample_trajectory):
    """Makes a sample function that gives each voxel all reverse steps.

    Args:
        sample_trajectory: function like `DiffusionUNet3D.sample_trajectory`: (image,
            seed) -> [steps, batch, x, y, z, classes].

    Returns:
        Sample function that gives [batch, x, y, z, steps, classes].
    """

    def sample(image, seed):
        trajectory = sample_trajectory(image, seed)
        last = trajectory.shape.rank - 1
        return tf.transpose(trajectory, [*range(1, last), 0, last])

    return sample


def flipped_mean(sample, axes):
    """Mean over an image and its mirror images.

    Args:
        sample: sample function.
        axes: axes of the volume to mirror, from 0, 1, 2. All 2 ** len(axes)
            combinations of them are sampled, one after the other.

    Returns:
        A sample function; `sample` itself if there are no axes.

    Raises:
        ValueError: `axes` holds another number.
    """
    if not set(axes) <= {0, 1, 2}:
        raise ValueError(f"axes must be of 0, 1, 2, got {tuple(axes)}")
    if not axes:
        return sample
    choices = [[False, True] if axis in axes else [False] for axis in range(3)]
    combinations = tf.constant(list(itertools.product(*choices)))

    def sample_flips(image, seed):
        def add(total, flips):
            return total + _flip(sample(_flip(image, flips), seed), flips)

        first = sample(image, seed)
        total = tf.foldl(add, combinations[1:], first, parallel_iterations=1)
        return total / tf.cast(len(combinations), total.dtype)

    return sample_flips


def _flip(volumes, flips):
    for axis in range(3):
        mirrored = tf.reverse(volumes, [axis + 1])
        volumes = tf.where(flips[axis], mirrored, volumes)
    return volumes


def ensemble_mean(samples):
    """Mean over several models.

    Args:
        samples: sample functions. If they give reverse steps (`steps_last`), the
            last step of a shorter one counts for all later steps too.

    Returns:
        A sample function; the given one if there is only one.

    Raises:
        ValueError: `samples` is empty.
    """
    samples = list(samples)
    if not samples:
        raise ValueError("an ensemble needs at least one model, got none")
    return samples[0] if len(samples) == 1 else _EnsembleMean(samples)


class _EnsembleMean:
    def __init__(self, samples):
        self._samples = samples
        shapes = [getattr(sample, "window_shape", (1, 1, 1)) for sample in samples]
        # As a `SlidingWindow` has it: smaller volumes are padded to this shape.
        self.window_shape = tuple(map(max, zip(*shapes, strict=True)))

    def __call__(self, image, seed):
        results = [sample(image, seed) for sample in self._samples]
        has_steps = results[0].shape.rank == 5 + tf.convert_to_tensor(seed).shape.rank
        if has_steps:
            steps = max(result.shape[-2] for result in results)
            results = [_with_steps(result, steps) for result in results]
        return tf.add_n(results) / len(results)


def _with_steps(result, steps):
    index = tf.minimum(tf.range(steps), result.shape[-2] - 1)
    return tf.gather(result, index, axis=-2)
