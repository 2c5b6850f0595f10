"""Dice over a stream of volumes, as a Keras metric."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tf_diffseg")
class StreamingDice(keras.metrics.Metric):
    """Mean over volumes per class, then over foreground classes.

    A class that is absent from a volume and its prediction alike has no Dice there: it
    is left out of the class's mean and counted. A class that is missed or invented has
    Dice 0. Under a distribution strategy each replica accumulates its own sums, and
    `result` adds them (Keras sums metric variables when it reads them).

    Example:
        >>> dice = StreamingDice(num_classes=2)
        >>> dice.update_state(np.ones([1, 4, 4, 4]), np.ones([1, 4, 4, 4]))
        >>> float(dice.result())
        1.0
    """

    def __init__(
        self,
        num_classes,
        include_background=False,
        from_masks=False,
        name="dice",
        dtype="float32",
    ):
        """Creates the sums.

        Args:
            num_classes: number of classes, background included.
            include_background: whether class 0 counts in `result`. Set it if classes
                overlap: then none of them is background.
            from_masks: False for class ids of shape [batch, ...]; True for 0/1 masks
                of shape [batch, ..., num_classes], whose classes may overlap.
            name: the metric's name.
            dtype: type of the sums; half precision stops counting at 2048.
        """
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.include_background = include_background
        self.from_masks = from_masks
        self._dice_sum = self._add_class_weight("dice_sum")
        self._defined_count = self._add_class_weight("defined_count")
        self._absent_count = self._add_class_weight("absent_count")

    def _add_class_weight(self, name):
        return self.add_weight(
            shape=(self.num_classes,), initializer="zeros", name=name
        )

    def _class_masks(self, volumes, is_labelled):
        """Brings labels or masks to float32 of shape [batch, voxels, num_classes]."""
        if not self.from_masks:
            volumes = tf.one_hot(tf.cast(volumes, tf.int32), self.num_classes)
        if is_labelled is not None:
            volumes = tf.cast(volumes, tf.float32)
            volumes = tf.where(is_labelled[..., tf.newaxis], volumes, 0.0)
        batch_size = tf.shape(volumes)[0]
        volumes = tf.reshape(volumes, [batch_size, -1, self.num_classes])
        return tf.cast(volumes, tf.float32)

    def update_state(
        self, ground_truth, predicted, sample_weight=None, is_labelled=None
    ):
        """Adds a batch.

        Args:
            ground_truth: class ids or masks, see `from_masks`.
            predicted: the same.
            sample_weight: shape [batch]; 0 leaves out an example that only fills up a
                batch.
            is_labelled: bool [batch, ...], voxels whose ground truth is known; the
                others are left out, and so is an example that has none. None if all
                are known.
        """
        self._add(self._sums(ground_truth, predicted, sample_weight, is_labelled))

    def _sums(self, ground_truth, predicted, sample_weight, is_labelled):
        """Sums of Dice, defined and absent counts of a batch, each [num_classes]."""
        ground_truth = self._class_masks(ground_truth, is_labelled)
        predicted = self._class_masks(predicted, is_labelled)
        intersection = tf.reduce_sum(ground_truth * predicted, axis=1)
        size = tf.reduce_sum(ground_truth + predicted, axis=1)
        # [batch, num_classes]; 0 / 0 is 0 and not counted.
        dice = tf.math.divide_no_nan(2.0 * intersection, size)
        is_defined = tf.cast(size > 0.0, tf.float32)
        weight = tf.ones(tf.shape(dice)[:1])
        if sample_weight is not None:
            weight = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        if is_labelled is not None:
            axes = list(range(1, is_labelled.shape.rank))
            weight *= tf.cast(tf.reduce_any(is_labelled, axes), tf.float32)
        return [
            tf.linalg.matvec(values, weight, transpose_a=True)
            for values in (dice, is_defined, 1.0 - is_defined)
        ]

    def _add(self, sums):
        variables = (self._dice_sum, self._defined_count, self._absent_count)
        for variable, total in zip(variables, sums, strict=True):
            variable.assign(variable + tf.cast(total, variable.dtype))

    def per_class(self):
        """Mean Dice of each class.

        Returns:
            Tensor of shape [num_classes], 0 for a class that no volume had.
        """
        dice_sum = tf.convert_to_tensor(self._dice_sum)
        return tf.math.divide_no_nan(
            dice_sum, tf.convert_to_tensor(self._defined_count)
        )

    def absent_counts(self):
        """Number of volumes with each class in neither mask, shape [num_classes]."""
        return tf.convert_to_tensor(self._absent_count)

    def result(self):
        """Mean over the foreground classes that some volume had.

        Returns:
            Scalar tensor, 0 before any volume.
        """
        first = 0 if self.include_background else 1
        is_seen = tf.convert_to_tensor(self._defined_count) > 0.0
        is_seen = tf.cast(is_seen, self.dtype)[..., first:]
        total = tf.reduce_sum(self.per_class()[..., first:], axis=-1)
        return tf.math.divide_no_nan(total, tf.reduce_sum(is_seen, axis=-1))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "include_background": self.include_background,
            "from_masks": self.from_masks,
        }
