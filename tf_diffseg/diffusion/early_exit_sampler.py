"""Sampling that ends once the segmentation no longer changes."""

import tensorflow as tf

from tf_diffseg.diffusion.noise import normal_per_example
from tf_diffseg.diffusion.precision import as_floats
from tf_diffseg.diffusion.sampler import Sampler


class EarlyExitSampler(Sampler):
    """Runs another sampler's steps until a step changes few voxels' class.

    An example is done once, from one reverse step to the next, no more than
    `max_change` of its foreground voxels take another class; its result is the last
    prediction. A batch goes on until all its examples are done, and those that are
    keep their result: what an example gets does not depend on its batch.

    Attributes:
        sampler: the `Sampler` whose steps are run.
        max_change: the share of voxels.
        num_samples: int64 variable, examples sampled so far.
        num_steps: int64 variable, reverse steps that they took, all together.
    """

    def __init__(self, sampler, max_change):
        """Wraps a sampler.

        Args:
            sampler: a `Sampler`.
            max_change: share of the foreground voxels (class 0 is background) that
                may change in a step which counts as none, in [0, 1).

        Raises:
            ValueError: `max_change` is out of range.
        """
        if not 0.0 <= max_change < 1.0:
            raise ValueError(f"max_change must be in [0, 1), got {max_change}")
        super().__init__(sampler.diffusion, sampler.clip_x_start)
        self.sampler = sampler
        self.max_change = max_change
        self.num_samples = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.num_steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    @property
    def draws_noise(self):
        """Whether the wrapped sampler does."""
        return self.sampler.draws_noise

    @property
    def saved_steps(self):
        """Mean number of steps that an example did without; 0 before any."""
        count = int(self.num_samples)
        if not count:
            return 0.0
        return self.diffusion.num_timesteps - int(self.num_steps) / count

    def step(self, model_out, x_t, t_index, noise):
        """Goes from x_t to x_(t-1), see `Sampler.step`."""
        return self.sampler.step(model_out, x_t, t_index, noise)

    def _reverse(self, denoise_fn, x_T, seed, self_condition, keeps_predictions):
        """As `Sampler._reverse`, whose loop this one ends early."""
        if self.draws_noise and seed is None:
            raise ValueError(f"seed is None, but {type(self.sampler)} draws noise")
        (x_T,) = as_floats(x_T)
        batch = tf.shape(x_T)[0]
        last_step = self.diffusion.num_timesteps - 1

        def goes_on(step, x_t, x_start, done, steps, predictions):
            return tf.logical_and(step >= 0, tf.logical_not(tf.reduce_all(done)))

        def reverse_step(step, x_t, x_start, done, steps, predictions):
            t_index = tf.fill([batch], step)
            inputs = (x_t, t_index, x_start) if self_condition else (x_t, t_index)
            model_out = denoise_fn(*inputs)
            noise = self._noise(seed, step, tf.shape(x_t))
            predicted = self.predict_x_start(model_out, x_t, t_index)
            predicted = tf.where(_per_example(done), x_start, predicted)
            changed = _changed_share(x_start, predicted)
            steps += tf.cast(tf.logical_not(done), tf.int64)
            # Before the first step there is nothing to compare with.
            may_end = tf.logical_and(step < last_step, changed <= self.max_change)
            if keeps_predictions:
                predictions = predictions.write(last_step - step, predicted)
            return (
                step - 1,
                tf.ensure_shape(self.step(model_out, x_t, t_index, noise), x_T.shape),
                tf.ensure_shape(predicted, x_T.shape),
                tf.logical_or(done, may_end),
                steps,
                predictions,
            )

        _, _, x_start, _, steps, predictions = tf.while_loop(
            goes_on,
            reverse_step,
            (
                tf.constant(last_step),
                x_T,
                tf.zeros_like(x_T),
                tf.zeros([batch], tf.bool),
                tf.zeros([batch], tf.int64),
                tf.TensorArray(
                    x_T.dtype, size=0, dynamic_size=True, element_shape=x_T.shape
                ),
            ),
            parallel_iterations=1,
        )
        self.num_samples.assign_add(tf.cast(batch, tf.int64))
        self.num_steps.assign_add(tf.reduce_sum(steps))
        return x_start, predictions

    def _noise(self, seed, step, shape):
        if not self.draws_noise:
            return None
        return normal_per_example(seed, step, shape)

    def trajectory(self, denoise_fn, x_T, seed=None, self_condition=False):
        """As `Sampler.trajectory`: steps that were not run repeat the last one."""
        _, predictions = self._reverse(denoise_fn, x_T, seed, self_condition, True)
        index = tf.range(self.diffusion.num_timesteps)
        return tf.gather(predictions.stack(), tf.minimum(index, predictions.size() - 1))


def _per_example(flags):
    return flags[:, tf.newaxis, tf.newaxis, tf.newaxis, tf.newaxis]


def _changed_share(before, after):
    """Voxels [batch] whose class changed, over those that are foreground."""
    before, after = (
        tf.argmax(x, axis=-1, output_type=tf.int32) for x in (before, after)
    )

    def count(voxels):
        return tf.reduce_sum(tf.cast(voxels, tf.float32), axis=[1, 2, 3])

    foreground = count(tf.logical_or(before > 0, after > 0))
    return count(before != after) / tf.maximum(foreground, 1.0)
