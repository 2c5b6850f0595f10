"""Sampling that ends once the segmentation no longer changes."""

import typing

import tensorflow as tf

from tf_diffseg.diffusion.choices import MaskEncoding
from tf_diffseg.diffusion.sampler import Sampler


class _State(typing.NamedTuple):
    """Which examples are done, bool [batch], and their steps so far, int64 [batch]."""

    done: tf.Tensor
    steps: tf.Tensor


class EarlyExitSampler(Sampler):
    """Runs another sampler's steps until a step changes few voxels' class.

    An example is done if at most `max_change` of its foreground voxels take another
    class, or other ones if classes overlap, from one reverse step to the next; its
    result is the last prediction. A batch goes on until all its examples are done.
    Examples that are done keep their result, so the result of an example does not
    depend on its batch.

    Attributes:
        sampler: the `Sampler` whose steps are run.
        max_change: the share of voxels.
        encoding: the `MaskEncoding`.
        num_samples: int64 variable, number of examples sampled so far.
        num_steps: int64 variable, total number of reverse steps of these examples.
    """

    def __init__(self, sampler, max_change, encoding=MaskEncoding.EXCLUSIVE):
        """Wraps a sampler.

        Args:
            sampler: a `Sampler`.
            max_change: largest share of the foreground voxels (class 0 is background
                unless classes overlap) that may change in the last step, in [0, 1).
            encoding: a `MaskEncoding` or its value.

        Raises:
            ValueError: if `max_change` is out of range.
        """
        if not 0.0 <= max_change < 1.0:
            raise ValueError(f"max_change must be in [0, 1), got {max_change}")
        super().__init__(sampler.diffusion, sampler.clip_x_start)
        self.sampler = sampler
        self.max_change = max_change
        self.encoding = MaskEncoding(encoding)
        self.num_samples = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.num_steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    @property
    def draws_noise(self):
        """Whether the wrapped sampler does."""
        return self.sampler.draws_noise

    @property
    def saved_steps(self):
        """Mean number of reverse steps saved per example; 0 if there was none."""
        count = int(self.num_samples)
        if not count:
            return 0.0
        return self.diffusion.num_timesteps - int(self.num_steps) / count

    def predict_x_start(self, model_out, x_t, t_index):
        """The x_start that the wrapped sampler uses, see `Sampler.predict_x_start`."""
        return self.sampler.predict_x_start(model_out, x_t, t_index)

    def step(self, model_out, x_t, t_index, noise):
        """Goes from x_t to x_(t-1), see `Sampler.step`."""
        return self.sampler.step(model_out, x_t, t_index, noise)

    @property
    def may_end_early(self):
        """True, if few voxels change."""
        return True

    def _start(self, batch):
        return _State(tf.zeros([batch], tf.bool), tf.zeros([batch], tf.int64))

    def _after_step(self, is_first, before, predicted, state):
        is_done = tf.reshape(state.done, [-1, 1, 1, 1, 1])
        x_start = tf.where(is_done, before, predicted)
        steps = state.steps + tf.cast(tf.logical_not(state.done), tf.int64)
        # The first step has no earlier prediction to compare with.
        changed = _changed_share(before, x_start, self.encoding)
        few_changed = changed <= self.max_change
        may_end = tf.logical_and(tf.logical_not(is_first), few_changed)
        return x_start, _State(tf.logical_or(state.done, may_end), steps)

    def _is_over(self, state):
        return tf.reduce_all(state.done)

    def _reverse(self, *arguments):
        """Runs `Sampler._reverse` and counts the steps."""
        run = super()._reverse(*arguments)
        self.num_samples.assign_add(tf.size(run.state.steps, tf.int64))
        self.num_steps.assign_add(tf.reduce_sum(run.state.steps))
        return run

    def sample(self, denoise_fn, x_T, seed=None, self_condition=False):
        """See `Sampler.sample`; returns the last prediction for each example."""
        return self._reverse(denoise_fn, x_T, seed, self_condition).x_start

    def trajectory(self, denoise_fn, x_T, seed=None, self_condition=False):
        """See `Sampler.trajectory`; steps not run repeat the last prediction."""
        run = self._reverse(denoise_fn, x_T, seed, self_condition, True)
        index = tf.range(self.diffusion.num_timesteps)
        index = tf.minimum(index, run.num_steps - 1)
        return tf.gather(run.predictions.stack(), index)


def _changed_share(before, after, encoding):
    """Voxels whose classes changed as a share of the foreground voxels, [batch]."""
    before, after = (_foreground_classes(x, encoding) for x in (before, after))

    def count(voxels):
        in_any_class = tf.reduce_any(voxels, axis=-1)
        return tf.reduce_sum(tf.cast(in_any_class, tf.float32), axis=[1, 2, 3])

    return count(before != after) / tf.maximum(count(before | after), 1.0)


def _foreground_classes(x_start, encoding):
    """Which classes other than background each voxel has, bool [batch, x, y, z, n]."""
    if not encoding.is_exclusive:
        return x_start > 0.0
    num_classes = x_start.shape[-1]
    classes = tf.argmax(x_start, axis=-1, output_type=tf.int32)
    return classes[..., tf.newaxis] == tf.range(1, num_classes)
