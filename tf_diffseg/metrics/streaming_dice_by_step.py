"""Dice of several predictions of each volume, as a Keras metric."""

import keras
import tensorflow as tf

from tf_diffseg.metrics.streaming_dice import StreamingDice


@keras.saving.register_keras_serializable(package="tf_diffseg")
class StreamingDiceByStep(StreamingDice):
    """`StreamingDice` of each step, for example of the reverse process.

    Its results have one more axis, [num_steps, ...].
    """

    def __init__(self, num_steps, num_classes, name="dice_by_step", **kwargs):
        """Creates the sums.

        Args:
            num_steps: number of steps.
            num_classes: as for `StreamingDice`.
            name: the metric's name.
            **kwargs: the other arguments of `StreamingDice`.
        """
        self.num_steps = num_steps
        super().__init__(num_classes, name=name, **kwargs)

    def _add_class_weight(self, name):
        return self.add_weight(
            shape=(self.num_steps, self.num_classes), initializer="zeros", name=name
        )

    def update_state(
        self, ground_truth, predicted, sample_weight=None, is_labelled=None, step=0
    ):
        """Adds a batch of one step.

        Args:
            ground_truth: as for `StreamingDice`.
            predicted: the same.
            sample_weight: the same.
            is_labelled: the same.
            step: int scalar in [0, num_steps).
        """
        is_step = tf.one_hot(step, self.num_steps)[:, tf.newaxis]
        sums = self._sums(ground_truth, predicted, sample_weight, is_labelled)
        self._add([is_step * each for each in sums])

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_steps": self.num_steps}
