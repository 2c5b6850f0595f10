"""The loop from x_T to x_0, which all samplers share.

A sampler holds a `GaussianDiffusion` and takes the network as a function, so that its
mathematics can be tested without a network.
"""

import abc
import typing

import tensorflow as tf

from tf_diffseg.diffusion.noise import normal_per_example
from tf_diffseg.diffusion.precision import as_floats


class _Run(typing.NamedTuple):
    """State of a reverse process between two steps.

    Attributes:
        x_t: result of the last step.
        x_start: prediction of the last step, if it is needed.
        predictions: `tf.TensorArray` of the x_start of each step, if they are kept.
        num_steps: int scalar, number of steps that were run.
        state: state of the end test.
    """

    x_t: tf.Tensor
    x_start: tf.Tensor
    predictions: tf.TensorArray
    num_steps: tf.Tensor
    state: typing.Any


class Sampler(abc.ABC):
    """Runs the reverse process of a diffusion.

    Attributes:
        diffusion: the `GaussianDiffusion`, which may be respaced.
        clip_x_start: whether predictions are clipped to [-1, 1].
    """

    def __init__(self, diffusion, clip_x_start=True):
        """Stores the diffusion.

        Args:
            diffusion: a `GaussianDiffusion`.
            clip_x_start: whether to clip predictions of x_start to [-1, 1], the range
                of masks. It changes nothing for a network that predicts x_start.
        """
        self.diffusion = diffusion
        self.clip_x_start = clip_x_start

    @property
    def options(self):
        """Dict of constructor arguments, without the diffusion; may omit defaults."""
        return {} if self.clip_x_start else {"clip_x_start": False}

    @property
    @abc.abstractmethod
    def draws_noise(self):
        """Whether steps add noise; otherwise, a sample depends on x_T alone."""

    @abc.abstractmethod
    def step(self, model_out, x_t, t_index, noise):
        """Goes from x_t to x_(t-1).

        Args:
            model_out: the network's output for x_t.
            x_t: shape [batch, ..., channels].
            t_index: int, scalar or of shape [batch].
            noise: standard normal, shape of x_t; None if the sampler draws no noise.

        Returns:
            x_(t-1), shape of x_t; at t_index 0 the predicted x_start.

        Raises:
            ValueError: if the sampler draws noise and noise is None.
        """

    def _check_noise(self, noise):
        if noise is None:
            raise ValueError(f"noise is None, but {type(self).__name__} draws noise")

    def predict_x_start(self, model_out, x_t, t_index):
        """The x_start that `step` uses, shape of x_t; same arguments as `step`."""
        return self.diffusion.predict_x_start(
            model_out, x_t, t_index, clip=self.clip_x_start
        )

    @property
    def may_end_early(self):
        """Whether sampling may end before the last step."""
        return False

    # A sampler that may end early overrides these three.
    def _start(self, batch):
        """State of the end test before the first step, for `batch` examples."""
        del batch
        return ()

    def _after_step(self, is_first, before, predicted, state):
        """Updates the end test after a step.

        Args:
            is_first: bool scalar, whether it is the first step.
            before: prediction of the step before; zeros at the first step.
            predicted: x_start that this step predicted.
            state: state before the step.

        Returns:
            `(x_start, state)`: the prediction to go on with, and the state after the
            step.
        """
        del is_first, before
        return predicted, state

    def _is_over(self, state):
        """Whether the process ends now, bool scalar."""
        del state
        return False

    def _reverse(self, denoise_fn, x_T, seed, self_condition, keep_predictions=False):
        """Runs the steps; returns the last `_Run`."""
        if self.draws_noise and seed is None:
            raise ValueError(f"seed is None, but {type(self).__name__} draws noise")
        (x_T,) = as_floats(x_T)
        last_step = self.diffusion.num_timesteps - 1
        needs_x_start = self_condition or keep_predictions or self.may_end_early

        def goes_on(run):
            is_left = run.num_steps <= last_step
            return tf.logical_and(is_left, tf.logical_not(self._is_over(run.state)))

        def reverse_step(run):
            x_t, x_start, predictions, num_steps, state = run
            step = last_step - num_steps
            shape = tf.shape(x_t)
            t_index = tf.fill(shape[:1], step)
            inputs = (x_t, t_index, x_start) if self_condition else (x_t, t_index)
            model_out = denoise_fn(*inputs)
            noise = normal_per_example(seed, step, shape) if self.draws_noise else None
            if needs_x_start:
                predicted = self.predict_x_start(model_out, x_t, t_index)
                predicted, state = self._after_step(
                    num_steps == 0, x_start, predicted, state
                )
                x_start = tf.ensure_shape(predicted, x_T.shape)
            if keep_predictions:
                predictions = predictions.write(num_steps, x_start)
            x_prev = self.step(model_out, x_t, t_index, noise)
            x_prev = tf.ensure_shape(x_prev, x_T.shape)
            return (_Run(x_prev, x_start, predictions, num_steps + 1, state),)

        first = _Run(
            x_t=x_T,
            x_start=tf.zeros_like(x_T) if needs_x_start else tf.zeros([], x_T.dtype),
            predictions=tf.TensorArray(
                x_T.dtype,
                size=last_step + 1 if keep_predictions else 0,
                element_shape=x_T.shape,
            ),
            num_steps=tf.constant(0),
            state=self._start(tf.shape(x_T)[0]),
        )
        (run,) = tf.while_loop(
            goes_on,
            reverse_step,
            (first,),
            parallel_iterations=1,  # A step needs the one before it.
        )
        return run

    def sample(self, denoise_fn, x_T, seed=None, self_condition=False):
        """Denoises x_T to a sample of x_start.

        Args:
            denoise_fn: function (x_t, t_index) -> model_out, with t_index int32 of
                shape [batch]. Inside a tf.function it is traced once.
            x_T: standard normal of shape [batch, ..., channels], see
                `initial_noise`; sizes may be unknown when traced.
            seed: int32 of shape [batch], or a scalar, see `normal_per_example`;
                may be None if the sampler draws no noise.
            self_condition: whether denoise_fn takes a third argument, the x_start that
                the step before predicted; zeros at the first step.

        Returns:
            x_0, shape of x_T, float32 (float64 if x_T is float64).

        Raises:
            ValueError: if the sampler draws noise and seed is None.
        """
        return self._reverse(denoise_fn, x_T, seed, self_condition).x_t

    def trajectory(self, denoise_fn, x_T, seed=None, self_condition=False):
        """Denoises x_T and keeps all predictions; arguments and errors as in `sample`.

        Returns:
            Predicted x_start of each reverse step, shape [num_timesteps, batch, ...,
            channels]. The last entry is the result of `sample`.
        """
        run = self._reverse(denoise_fn, x_T, seed, self_condition, True)
        return run.predictions.stack()
