"""Several samples of one segmentation."""

import tensorflow as tf

from tf_diffseg.diffusion.noise import derived_seeds


def mean_over_samples(sample, image, seed, num_samples):
    """Mean of the probabilities that several seeds give.

    Args:
        sample: function (image, seed) -> probabilities, as
            `DiffusionUNet3D.sample` or `sample_trajectory`.
        image: float [batch, x, y, z, channels].
        seed: int [batch]. The first sample uses it as it is, so that one sample is
            `sample(image, seed)`; the others derive theirs from it.
        num_samples: at least 1.

    Returns:
        Mean of what `sample` returns.

    Raises:
        ValueError: `num_samples` is less than 1.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    total = sample(image, seed)
    for index in range(1, num_samples):
        total += sample(image, derived_seeds(seed, tf.fill(tf.shape(seed), index)))
    return total / num_samples
