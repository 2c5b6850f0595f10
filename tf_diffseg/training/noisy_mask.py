"""The noisy mask that the network trains on, one function for each strategy.

All take the same arguments:

    diffusion: a `GaussianDiffusion`.
    predict_x_start: function (x_t, t_index) -> x_start, the network as it is now.
    x_start: encoded ground truth, [batch, x, y, z, channels].
    t_index: int [batch], the steps to train on.
    seed: int [batch]; an example's noise depends on its own seed alone, so that it
        is the same whether one device trains on the batch or several share it.

and return x_t, of x_start's shape.
"""

import enum

import tensorflow as tf

from tf_diffseg.diffusion.noise import normal_per_example


def diffuse(diffusion, predict_x_start, x_start, t_index, seed):
    """Plain diffusion (Ho et al. 2020): noise on the ground truth."""
    del predict_x_start
    return diffusion.q_sample(x_start, _noise_like(x_start, seed, 0), t_index)


def recycle(diffusion, predict_x_start, x_start, t_index, seed):
    """Recycling (arXiv 2303.06040): noise on the network's own earlier prediction.

    Sampling reaches a step from the one before it in the reverse process, with a
    mask made of a prediction. So the network predicts at that earlier step from a
    noised ground truth, and its prediction, with fresh noise, is what it trains
    on. No gradient flows through the earlier prediction. Nothing comes before the
    last step: it is its own earlier step, so that it is trained as well.
    """
    t_earlier = tf.minimum(t_index + 1, diffusion.num_timesteps - 1)
    x_earlier = diffusion.q_sample(x_start, _noise_like(x_start, seed, 1), t_earlier)
    predicted = tf.stop_gradient(predict_x_start(x_earlier, t_earlier))
    return diffusion.q_sample(predicted, _noise_like(x_start, seed, 0), t_index)


class TrainingStrategy(enum.Enum):
    """What the network is trained on.

    SUPERVISED has neither noisy mask nor time: the baseline that is no diffusion
    model. DIFFUSION and RECYCLING are `diffuse` and `recycle`.
    """

    SUPERVISED = "supervised"
    DIFFUSION = "diffusion"
    RECYCLING = "recycling"

    @property
    def noisy_mask(self):
        """The function that makes the noisy mask; None where there is no mask."""
        return {
            TrainingStrategy.SUPERVISED: None,
            TrainingStrategy.DIFFUSION: diffuse,
            TrainingStrategy.RECYCLING: recycle,
        }[self]


def _noise_like(x_start, seed, draw):
    return normal_per_example(seed, draw, tf.shape(x_start))
