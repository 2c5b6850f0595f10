"""The Gaussian diffusion process on masks: forward, posterior and reverse.

Notation and formulas are those of Ho et al. 2020 (arXiv 2006.11239), learned variances
those of Nichol and Dhariwal 2021 (arXiv 2102.09672), and the resampled schedule that of
arXiv 2303.06040.
"""

import copy
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_diffseg.diffusion.beta_schedule import BetaSchedule, get_betas
from tf_diffseg.diffusion.likelihood import gaussian_kl, mask_log_likelihood
from tf_diffseg.diffusion.model_parameterization import ModelOutput, ModelVariance
from tf_diffseg.diffusion.precision import as_floats, at_step
from tf_diffseg.diffusion.respacing import (
    check_whole,
    divides_evenly,
    kept_steps,
    resample_alphas_cumprod,
)
from tf_diffseg.fields import check_options, member


class GaussianMoments(NamedTuple):
    """A Gaussian over x_(t-1).

    Attributes:
        mean: shape [batch, ..., channels].
        variance: broadcasts against mean; exactly 0 at the first step of
            FIXED_SMALL.
        log_variance: broadcasts against mean; the first step, for which it would be
            minus infinity, has the value of the second step.
    """

    mean: tf.Tensor
    variance: tf.Tensor
    log_variance: tf.Tensor


class GaussianDiffusion:
    """q(x_t | x_start), q(x_(t-1) | x_t, x_start) and p(x_(t-1) | x_t).

    The methods compute in float32, or in float64 if an input is float64. Their results
    have the shape of x_t unless they say otherwise. They share these arguments:

    * x_start: encoded mask, shape [batch, ..., channels].
    * x_t: noisy mask at t_index, same shape.
    * noise: standard normal, same shape.
    * t_index: int in [0, num_timesteps - 1], a scalar or of shape [batch].
    * model_out: output of the network for x_t: x_start in [-1, 1], or noise. If the
      variance is learned, a second half of the channels holds it. A wrong number of
      channels raises ValueError.

    Attributes:
        betas: float64 array of shape [num_timesteps], like the others.
        alphas_cumprod: share of the signal's variance left at each step.
        alphas_cumprod_prev: the same one step earlier, 1 before the first.
        posterior_mean_coeff_start: weight of x_start in the posterior's mean.
        posterior_mean_coeff_t: weight of x_t in the posterior's mean.
        posterior_variance: the posterior's variance, 0 at the first step.
        posterior_log_variance_clipped: its log; the first step has the value of the
            second.
        kept_steps: array of shape [num_timesteps]: the steps of training that this
            diffusion visits. A fraction lies between two steps; there are fractions if
            it has more steps than training.
        num_timesteps_trained: number of steps that the network is trained with.

    Example:
        >>> diffusion = GaussianDiffusion(num_timesteps=5)
        >>> x_start = tf.ones([1, 8, 8, 8, 2])
        >>> x_t = diffusion.q_sample(x_start, noise=tf.zeros_like(x_start), t_index=4)
        >>> bool(tf.reduce_all(x_t < 0.01))  # Hardly anything is left at the last step.
        True
    """

    def __init__(
        self,
        num_timesteps=5,
        num_timesteps_beta=1001,
        beta_schedule=BetaSchedule.LINEAR,
        beta_start=1e-4,
        beta_end=0.02,
        model_output=ModelOutput.X_START,
        model_variance=ModelVariance.FIXED_SMALL,
    ):
        """Builds the process.

        Args:
            num_timesteps: number of steps; `num_timesteps - 1` must divide
                `num_timesteps_beta - 1`.
            num_timesteps_beta: number of steps that the schedule is defined over.
            beta_schedule: a `BetaSchedule` or its value.
            beta_start: beta of the schedule's first step.
            beta_end: beta of the schedule's last step.
            model_output: a `ModelOutput` or its value.
            model_variance: a `ModelVariance` or its value.

        Raises:
            ValueError: if a number of steps does not divide evenly, or betas are out
                of range.
        """
        self.num_timesteps = num_timesteps
        self.num_timesteps_beta = num_timesteps_beta
        self.beta_schedule = member("beta_schedule", BetaSchedule, beta_schedule)
        self.beta_start = beta_start
        self.beta_end = beta_end
        self.model_output = member("model_output", ModelOutput, model_output)
        self.model_variance = member("model_variance", ModelVariance, model_variance)
        self.num_timesteps_trained = num_timesteps
        check_whole("num_timesteps", num_timesteps)
        check_whole("num_timesteps_beta", num_timesteps_beta)
        self.kept_steps = np.arange(num_timesteps)
        self._set_tables(
            resample_alphas_cumprod(self._full_alphas_cumprod(), num_timesteps)
        )

    @classmethod
    def get(cls, identifier):
        """Returns a diffusion.

        Args:
            identifier: a `GaussianDiffusion`, the result of its `get_config`, or None
                for the defaults.

        Raises:
            ValueError: it is anything else.
        """
        if identifier is None or isinstance(identifier, dict):
            identifier = identifier or {}
            check_options("diffusion", identifier, cls)
            return cls(**identifier)
        if not isinstance(identifier, cls):
            raise ValueError(
                f"diffusion must be a GaussianDiffusion or None, got {identifier!r}"
            )
        return identifier

    def get_config(self):
        """Constructor arguments; those of the original process, if it was respaced."""
        return {
            "num_timesteps": self.num_timesteps_trained,
            "num_timesteps_beta": self.num_timesteps_beta,
            "beta_schedule": self.beta_schedule.value,
            "beta_start": self.beta_start,
            "beta_end": self.beta_end,
            "model_output": self.model_output.value,
            "model_variance": self.model_variance.value,
        }

    @property
    def is_respaced(self):
        """Whether it has another number of steps than training."""
        return self.num_timesteps != self.num_timesteps_trained

    def is_respaced_from(self, trained):
        """Whether a network that is trained with a diffusion may be sampled with this.

        Args:
            trained: a `GaussianDiffusion`.

        Returns:
            Whether this is `trained`, or what its `respaced` gives for this many steps.
        """
        if self.get_config() != trained.get_config():
            return False
        same = trained.respaced(self.num_timesteps) if self.is_respaced else trained
        return np.array_equal(self.kept_steps, same.kept_steps)

    def _full_alphas_cumprod(self):
        """alphas_cumprod of the schedule before resampling."""
        betas = get_betas(
            self.beta_schedule, self.num_timesteps_beta, self.beta_start, self.beta_end
        )
        return np.cumprod(1.0 - betas)

    def _set_tables(self, alphas_cumprod):
        """Computes what depends on the step alone; Ho et al. 2020, equation 7."""
        alphas_cumprod_prev = np.concatenate([[1.0], alphas_cumprod[:-1]])
        alphas = alphas_cumprod / alphas_cumprod_prev
        betas = 1.0 - alphas
        self.betas = betas
        self.alphas_cumprod = alphas_cumprod
        self.alphas_cumprod_prev = alphas_cumprod_prev
        noise_variance = 1.0 - alphas_cumprod
        noise_variance_prev = 1.0 - alphas_cumprod_prev
        self.posterior_mean_coeff_start = (
            betas * np.sqrt(alphas_cumprod_prev) / noise_variance
        )
        self.posterior_mean_coeff_t = (
            noise_variance_prev * np.sqrt(alphas) / noise_variance
        )
        self.posterior_variance = betas * noise_variance_prev / noise_variance
        clipped = self.posterior_variance.copy()
        clipped[0] = clipped[1]
        self.posterior_log_variance_clipped = np.log(clipped)

    def respaced(self, num_timesteps):
        """The same process in fewer or more steps, for the same network.

        Args:
            num_timesteps: number of steps. Fewer steps are chosen from this diffusion's
                by the same resampling rule, so the network sees only times that it was
                trained with. More steps, and numbers that do not evenly divide this
                diffusion's, are chosen from the `num_timesteps_beta` steps of the
                schedule; their times lie between those of training.

        Returns:
            A `GaussianDiffusion` whose `time` follows the noise levels that the network
            was trained with.

        Raises:
            ValueError: if the number does not evenly divide the number of steps that
                it is chosen from.
        """
        check_whole("num_timesteps", num_timesteps)
        respaced = copy.copy(self)
        respaced.num_timesteps = num_timesteps
        only_of_schedule = divides_evenly(
            num_timesteps, self.num_timesteps_beta
        ) and not divides_evenly(num_timesteps, self.num_timesteps)
        if num_timesteps > self.num_timesteps_trained or only_of_schedule:
            kept = kept_steps(num_timesteps, self.num_timesteps_beta)
            last_trained = self.num_timesteps_trained - 1
            respaced.kept_steps = kept * last_trained / (self.num_timesteps_beta - 1)
            respaced._set_tables(self._full_alphas_cumprod()[kept])
        else:
            kept = kept_steps(num_timesteps, self.num_timesteps)
            respaced.kept_steps = self.kept_steps[kept]
            respaced._set_tables(self.alphas_cumprod[kept])
        return respaced

    def time(self, t_index):
        """The time for the network: (t_index + 1) / num_timesteps.

        Args:
            t_index: int, of any shape.

        Returns:
            float32 tensor of t_index's shape, in (0, 1].
        """
        times = (self.kept_steps + 1) / self.num_timesteps_trained
        return tf.gather(tf.constant(times, tf.float32), t_index)

    def _signal_and_sigma(self, t_index, like):
        """Weights of x_start and of the noise in x_t."""
        signal = at_step(np.sqrt(self.alphas_cumprod), t_index, like)
        sigma = at_step(np.sqrt(1.0 - self.alphas_cumprod), t_index, like)
        return signal, sigma

    def q_sample(self, x_start, noise, t_index):
        """Draws x_t from q(x_t | x_start)."""
        x_start, noise = as_floats(x_start, noise)
        signal, sigma = self._signal_and_sigma(t_index, x_start)
        return signal * x_start + sigma * noise

    def q_posterior_mean_variance(self, x_start, x_t, t_index):
        """The posterior q(x_(t-1) | x_t, x_start), `GaussianMoments`."""
        x_start, x_t = as_floats(x_start, x_t)
        mean = (
            at_step(self.posterior_mean_coeff_start, t_index, x_t) * x_start
            + at_step(self.posterior_mean_coeff_t, t_index, x_t) * x_t
        )
        return GaussianMoments(
            mean,
            at_step(self.posterior_variance, t_index, x_t),
            at_step(self.posterior_log_variance_clipped, t_index, x_t),
        )

    def predict_x_start_from_noise(self, x_t, noise, t_index):
        """The x_start from which `q_sample` makes x_t with this noise."""
        x_t, noise = as_floats(x_t, noise)
        signal, sigma = self._signal_and_sigma(t_index, x_t)
        return (x_t - sigma * noise) / signal

    def predict_noise_from_x_start(self, x_t, x_start, t_index):
        """The noise with which `q_sample` makes x_t from x_start."""
        x_t, x_start = as_floats(x_t, x_start)
        signal, sigma = self._signal_and_sigma(t_index, x_t)
        return (x_t - signal * x_start) / sigma

    def _split_model_out(self, model_out, x_t):
        """Splits model_out into (x_start or noise, variance or None)."""
        is_learned = self.model_variance.is_learned
        channels, expected = model_out.shape[-1], x_t.shape[-1]
        if None not in (channels, expected):
            expected *= 2 if is_learned else 1
            if channels != expected:
                raise ValueError(
                    f"model_out has {channels} channels, expected {expected} for x_t "
                    f"with {x_t.shape[-1]} and {self.model_variance.value} variance"
                )
        return tf.split(model_out, 2, axis=-1) if is_learned else (model_out, None)

    def predict_x_start(self, model_out, x_t, t_index, clip=False):
        """The x_start that the output of a network stands for.

        With `clip`, it is clipped to [-1, 1]: an x_start computed from predicted noise
        leaves that range, at the last steps by a factor of a hundred.
        """
        model_out, x_t = as_floats(model_out, x_t)
        prediction, _ = self._split_model_out(model_out, x_t)
        if self.model_output is ModelOutput.NOISE:
            prediction = self.predict_x_start_from_noise(x_t, prediction, t_index)
        return tf.clip_by_value(prediction, -1.0, 1.0) if clip else prediction

    def _p_variance(self, model_out, x_t, t_index):
        """Returns (variance, log_variance) of the reverse process."""
        _, prediction = self._split_model_out(model_out, x_t)
        smallest = at_step(self.posterior_log_variance_clipped, t_index, x_t)
        # No match statement: AutoGraph cannot transform one, and warns.
        if self.model_variance is ModelVariance.FIXED_SMALL:
            return at_step(self.posterior_variance, t_index, x_t), smallest
        if self.model_variance is ModelVariance.FIXED_LARGE:
            # Ho et al. give the first step, which decides the likelihood, a small one.
            variance = self.betas.copy()
            variance[0] = self.posterior_variance[1]
            return (
                at_step(variance, t_index, x_t),
                at_step(np.log(variance), t_index, x_t),
            )
        if self.model_variance is ModelVariance.LEARNED:
            log_variance = prediction
        else:  # LEARNED_RANGE
            largest = at_step(np.log(self.betas), t_index, x_t)
            share = (prediction + 1.0) / 2.0
            log_variance = share * largest + (1.0 - share) * smallest
        return tf.exp(log_variance), log_variance

    def p_mean_variance(self, model_out, x_t, t_index, clip_x_start=False):
        """The reverse process p(x_(t-1) | x_t), `GaussianMoments`.

        For `clip_x_start` see `clip` of `predict_x_start`.
        """
        model_out, x_t = as_floats(model_out, x_t)
        x_start = self.predict_x_start(model_out, x_t, t_index, clip_x_start)
        mean = self.q_posterior_mean_variance(x_start, x_t, t_index).mean
        return GaussianMoments(mean, *self._p_variance(model_out, x_t, t_index))

    def variational_lower_bound(self, model_out, x_start, x_t, t_index):
        """The bound's term of one step, in bits per dimension.

        KL(q(x_(t-1) | x_t, x_start) || p(x_(t-1) | x_t)), and at the first step
        -log p(x_start | x_t) with x_start read as two levels.

        Returns:
            Tensor of shape [batch], non-negative.
        """
        terms = self.variational_terms(model_out, x_start, x_t, t_index)
        return tf.reduce_mean(terms, list(range(1, terms.shape.rank))) / math.log(2.0)

    def variational_terms(self, model_out, x_start, x_t, t_index):
        """The terms of `variational_lower_bound` before the mean, in nats.

        Returns:
            Tensor of the shape of x_t.
        """
        model_out, x_start, x_t = as_floats(model_out, x_start, x_t)
        posterior = self.q_posterior_mean_variance(x_start, x_t, t_index)
        model = self.p_mean_variance(model_out, x_t, t_index)
        divergence = gaussian_kl(
            posterior.mean, posterior.log_variance, model.mean, model.log_variance
        )
        likelihood = mask_log_likelihood(x_start, model.mean, model.log_variance)
        is_first = tf.reshape(t_index == 0, [-1] + [1] * (x_t.shape.rank - 1))
        return tf.where(is_first, -likelihood, divergence)
