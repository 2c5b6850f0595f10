"""Draws the steps to train on: uniformly, or more often where the loss is large.

Nichol and Dhariwal 2021 (arXiv 2102.09672), section 3.3. All functions are stateless:
the caller keeps the losses, for example as weights of a Keras model, and every replica
updates them with the losses of all replicas.
"""

import tensorflow as tf

from tf_diffseg.diffusion.choices import TimestepSampling


class TimestepSampler:
    """Draws steps and the weights that keep the loss unbiased.

    Attributes:
        num_timesteps: number of steps.
        sampling: the `TimestepSampling`.
        history_per_step: number of losses kept per step.
        uniform_probability: share of draws that stay uniform.

    Example:
        >>> sampler = TimestepSampler(num_timesteps=5)
        >>> t_index, weights = sampler.sample([0, 1], 8, sampler.probabilities())
        >>> weights.numpy().tolist()  # All steps alike.
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        num_timesteps,
        sampling=TimestepSampling.UNIFORM,
        history_per_step=10,
        uniform_probability=0.001,
    ):
        """Stores the settings.

        Args:
            num_timesteps: number of steps.
            sampling: a `TimestepSampling` or its value.
            history_per_step: losses kept per step; sampling is uniform until every
                step has that many losses.
            uniform_probability: share of draws that stay uniform, so that every step
                is drawn.

        Raises:
            ValueError: if uniform_probability is outside (0, 1].
        """
        if not 0.0 < uniform_probability <= 1.0:
            raise ValueError(
                f"uniform_probability must be in (0, 1], got {uniform_probability}"
            )
        self.num_timesteps = num_timesteps
        self.sampling = TimestepSampling(sampling)
        self.history_per_step = history_per_step
        self.uniform_probability = uniform_probability

    def initial_state(self):
        """The state before any loss is known.

        Returns:
            (loss_history, loss_counts): float32 zeros of shape [num_timesteps,
            history_per_step] and int32 zeros of shape [num_timesteps].
        """
        return (
            tf.zeros([self.num_timesteps, self.history_per_step]),
            tf.zeros([self.num_timesteps], tf.int32),
        )

    def probabilities(self, loss_history=None, loss_counts=None):
        """Probability of each step.

        Args:
            loss_history: from `initial_state` or `update`; not needed if sampling is
                uniform.
            loss_counts: the same.

        Returns:
            float32 tensor of shape [num_timesteps], positive, with the sum 1.
        """
        uniform = tf.fill([self.num_timesteps], 1.0 / self.num_timesteps)
        if self.sampling is TimestepSampling.UNIFORM:
            return uniform
        magnitude = tf.sqrt(tf.reduce_mean(tf.square(loss_history), axis=1))
        total = tf.reduce_sum(magnitude)
        by_loss = tf.math.divide_no_nan(magnitude, total)
        mixed = by_loss + self.uniform_probability * (uniform - by_loss)
        is_warm = tf.reduce_all(loss_counts >= self.history_per_step)
        return tf.where(is_warm & (total > 0.0), mixed, uniform)

    def sample(self, seed, batch_size, probabilities):
        """Draws a step for each example.

        Args:
            seed: stateless seed, int of shape [2].
            batch_size: number of examples.
            probabilities: from `probabilities`.

        Returns:
            (t_index, weights), int32 and float32 of shape [batch]. The mean of
            weights * losses estimates the mean loss over uniformly drawn steps.
        """
        cumulative = tf.cumsum(probabilities)
        # The sum differs from 1 by rounding.
        draws = cumulative[-1] * tf.random.stateless_uniform(
            [batch_size], seed, alg=tf.random.Algorithm.PHILOX
        )
        t_index = tf.searchsorted(cumulative, draws, side="right")
        t_index = tf.minimum(t_index, self.num_timesteps - 1)
        weights = 1.0 / (self.num_timesteps * tf.gather(probabilities, t_index))
        return t_index, weights

    def update(self, loss_history, loss_counts, t_index, losses, is_counted=None):
        """Adds losses to the history, in the order of the batch.

        Args:
            loss_history: float32 of shape [num_timesteps, history_per_step]; in each
                row the newest loss replaces the oldest.
            loss_counts: int32 of shape [num_timesteps]: losses seen so far.
            t_index: int of shape [batch], of all replicas.
            losses: float of shape [batch], not multiplied by weights.
            is_counted: bool of shape [batch], which losses to add; None for all.

        Returns:
            (loss_history, loss_counts), updated.
        """
        t_index = tf.cast(t_index, tf.int32)
        losses = tf.cast(losses, loss_history.dtype)
        # A batch may have the same step more than once: number its occurrences.
        is_same = tf.cast(t_index[:, tf.newaxis] == t_index, tf.int32)
        counted = tf.ones_like(t_index)
        if is_counted is not None:
            counted = tf.cast(is_counted, tf.int32)
            is_same *= counted[:, tf.newaxis] * counted
        num_earlier = tf.reduce_sum(tf.linalg.band_part(is_same, -1, 0), axis=1) - 1
        num_later = tf.reduce_sum(tf.linalg.band_part(is_same, 0, -1), axis=1) - 1
        column = (tf.gather(loss_counts, t_index) + num_earlier) % self.history_per_step
        # Losses that later ones of the batch overwrite go to a row that is cut off: the
        # order in which a scatter writes to one place is not defined.
        is_kept = (num_later < self.history_per_step) & (counted > 0)
        row = tf.where(is_kept, t_index, self.num_timesteps)
        padded = tf.pad(loss_history, [[0, 1], [0, 0]])
        padded = tf.tensor_scatter_nd_update(
            padded, tf.stack([row, column], axis=1), losses
        )
        counts = tf.tensor_scatter_nd_add(loss_counts, t_index[:, tf.newaxis], counted)
        return padded[:-1], counts
