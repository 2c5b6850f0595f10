"""The noisy mask that the network trains on: one function for each strategy.

All take the same arguments and return a `NoisyMask`:

    diffusion: a `GaussianDiffusion`.
    predict_x_start: function (x_t, t_index) -> x_start, the present network.
    x_start: encoded ground truth, [batch, x, y, z, channels].
    t_index: int [batch], the steps to train on.
    seed: int [batch]; an example's noise depends only on its own seed, so it does not
        depend on the number of devices.

No gradient flows through predictions. What follows the value of a strategy in
`choices.TrainingStrategy` says whether its noisy mask is the ground truth with noise,
and whether it has a condition.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_diffseg.diffusion.noise import normal_per_example, uniform_per_example
from tf_diffseg.training.choices import TrainingStrategy

# Share of examples that self-conditioning trains with a prediction (Chen et al. 2022).
# The others have zeros, like the pass that makes the prediction.
_CONDITIONED_SHARE = 0.5


class NoisyMask(NamedTuple):
    """The network's input beside the image.

    Attributes:
        x_t: noisy mask at t_index, of x_start's shape.
        condition: an earlier prediction of x_start, of the same shape, or zeros; None
            in strategies without this input.
    """

    x_t: tf.Tensor
    condition: tf.Tensor | None = None


def diffuse(diffusion, predict_x_start, x_start, t_index, seed):
    """Plain diffusion (Ho et al. 2020): noise on the ground truth."""
    del predict_x_start
    return NoisyMask(diffusion.q_sample(x_start, _noise(x_start, seed, 0), t_index))


def recycle(diffusion, predict_x_start, x_start, t_index, seed):
    """Recycling (arXiv 2303.06040): noise on the network's own earlier prediction.

    In sampling, the mask of a step is made of the prediction of the step before. So
    the network predicts at that earlier step from a noised ground truth, and trains on
    its prediction with fresh noise. The last step has no step before; it is its own
    earlier step, so that it is trained, too.
    """
    t_earlier = _next_step(diffusion, t_index)
    _, predicted = _predict_at(diffusion, predict_x_start, x_start, t_earlier, seed)
    return NoisyMask(diffusion.q_sample(predicted, _noise(x_start, seed, 0), t_index))


def recycle_from_last(diffusion, predict_x_start, x_start, t_index, seed):
    """Recycling from the last step (arXiv 2308.16355), where sampling starts.

    The prediction is made from little more than noise, so it does not contain the
    ground truth.
    """
    t_earlier = _last_step(diffusion, t_index)
    _, predicted = _predict_at(diffusion, predict_x_start, x_start, t_earlier, seed)
    return NoisyMask(diffusion.q_sample(predicted, _noise(x_start, seed, 0), t_index))


def recycle_by_reverse_step(diffusion, predict_x_start, x_start, t_index, seed):
    """`recycle` with the noise of the earlier mask in place of fresh noise.

    This is the step of DDIM (Song et al. 2021, equation 12, eta 0).
    """
    t_earlier = _next_step(diffusion, t_index)
    return _reverse_step(diffusion, predict_x_start, x_start, t_earlier, t_index, seed)


def recycle_from_last_by_reverse_step(
    diffusion, predict_x_start, x_start, t_index, seed
):
    """`recycle_from_last` with DDIM's step, from the last step to t_index at once."""
    t_earlier = _last_step(diffusion, t_index)
    return _reverse_step(diffusion, predict_x_start, x_start, t_earlier, t_index, seed)


def self_condition(diffusion, predict_x_start, x_start, t_index, seed):
    """Self-conditioning (Chen et al. 2022, arXiv 2208.04202).

    Plain diffusion, but for half of the examples the network also gets its own
    prediction from the same noisy mask. In sampling it gets that of the step before.
    """
    x_t, predicted = _predict_at(diffusion, predict_x_start, x_start, t_index, seed)
    return NoisyMask(x_t, _conditioned(predicted, seed))


def self_condition_from_next(diffusion, predict_x_start, x_start, t_index, seed):
    """Self-conditioning on the prediction of the step before in the reverse process.

    Sampling does the same. The last step, where it starts, has no prediction.
    """
    t_earlier = _next_step(diffusion, t_index)
    _, predicted = _predict_at(diffusion, predict_x_start, x_start, t_earlier, seed)
    has_earlier = tf.cast(t_earlier > t_index, predicted.dtype)
    condition = _conditioned(predicted, seed) * has_earlier[:, None, None, None, None]
    x_t = diffusion.q_sample(x_start, _noise(x_start, seed, 0), t_index)
    return NoisyMask(x_t, condition)


# The strategy SUPERVISED has no noisy mask.
FUNCTIONS = {
    TrainingStrategy.DIFFUSION: diffuse,
    TrainingStrategy.RECYCLING: recycle,
    TrainingStrategy.RECYCLING_FROM_LAST: recycle_from_last,
    TrainingStrategy.RECYCLING_BY_REVERSE_STEP: recycle_by_reverse_step,
    TrainingStrategy.RECYCLING_FROM_LAST_BY_REVERSE_STEP: (
        recycle_from_last_by_reverse_step
    ),
    TrainingStrategy.SELF_CONDITIONING: self_condition,
    TrainingStrategy.SELF_CONDITIONING_FROM_NEXT: self_condition_from_next,
}


def make_noisy_mask(strategy, *arguments):
    """The `NoisyMask` of a `TrainingStrategy`.

    Args:
        strategy: the `TrainingStrategy`.
        *arguments: those of its function.

    Raises:
        ValueError: the function returns a condition, but the strategy is not declared
            to have one, or the other way round.
    """
    noisy_mask = FUNCTIONS[strategy](*arguments)
    has_condition = noisy_mask.condition is not None
    if has_condition != strategy.is_self_conditioned:
        raise ValueError(
            f"strategy={strategy.value}: {FUNCTIONS[strategy].__name__} returns "
            f"{'a' if has_condition else 'no'} condition, but is_self_conditioned is "
            f"{strategy.is_self_conditioned}; see TrainingStrategy"
        )
    return noisy_mask


def _noise(x_start, seed, draw):
    return normal_per_example(seed, draw, tf.shape(x_start))


def _last_step(diffusion, t_index):
    return tf.fill(tf.shape(t_index), diffusion.num_timesteps - 1)


def _next_step(diffusion, t_index):
    """The step before in sampling; for the last step, the last step."""
    return tf.minimum(t_index + 1, diffusion.num_timesteps - 1)


def _predict_at(diffusion, predict_x_start, x_start, t_index, seed):
    """Noises the ground truth and predicts from it: (x_t, predicted x_start)."""
    x_t = diffusion.q_sample(x_start, _noise(x_start, seed, 1), t_index)
    return x_t, tf.stop_gradient(predict_x_start(x_t, t_index))


def _reverse_step(diffusion, predict_x_start, x_start, t_earlier, t_index, seed):
    """Goes from t_earlier to t_index by the prediction and the noise it leaves."""
    x_earlier, predicted = _predict_at(
        diffusion, predict_x_start, x_start, t_earlier, seed
    )
    noise = diffusion.predict_noise_from_x_start(x_earlier, predicted, t_earlier)
    return NoisyMask(diffusion.q_sample(predicted, noise, t_index))


def _conditioned(predicted, seed):
    """Replaces the prediction of some examples by zeros."""
    is_given = uniform_per_example(seed, 2) < _CONDITIONED_SHARE
    return predicted * tf.cast(is_given, predicted.dtype)[:, None, None, None, None]
