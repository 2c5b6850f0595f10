"""Means of groups of values, as a Keras metric."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tf_diffseg")
class GroupedMean(keras.metrics.Metric):
    """Mean of the values of each group."""

    def __init__(self, num_groups, name="grouped_mean", dtype="float32"):
        """Creates the sums.

        Args:
            num_groups: number of groups.
            name: the metric's name.
            dtype: type of the sums; half precision stops counting at 2048.
        """
        super().__init__(name=name, dtype=dtype)
        self.num_groups = num_groups
        shape = (num_groups,)
        self._sum = self.add_weight(shape=shape, initializer="zeros", name="sum")
        self._count = self.add_weight(shape=shape, initializer="zeros", name="count")

    def update_state(self, values, groups):
        """Adds a batch.

        Args:
            values: float [batch].
            groups: int [batch]; a value counts if it is in [0, num_groups).
        """
        is_of_group = tf.one_hot(groups, self.num_groups, dtype=self.dtype)
        values = tf.cast(values, self.dtype)
        self._sum.assign(self._sum + tf.linalg.matvec(is_of_group, values, True))
        self._count.assign(self._count + tf.reduce_sum(is_of_group, axis=0))

    def result(self):
        """Mean of each group.

        Returns:
            Tensor [num_groups]. A group without a value has the mean of all values,
            or 0 before there is any, so that no NaN comes into logs.
        """
        total = tf.convert_to_tensor(self._sum)
        count = tf.convert_to_tensor(self._count)
        overall = tf.math.divide_no_nan(tf.reduce_sum(total), tf.reduce_sum(count))
        return tf.where(count > 0.0, tf.math.divide_no_nan(total, count), overall)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_groups": self.num_groups}
