"""The loss of the final segmentation."""

import tensorflow as tf

from tf_diffseg.training.batches.ignored_voxels import has_labelled_voxels
from tf_diffseg.training.training_loss import TrainingLoss, WeightedLosses

# So the cross-entropy of a class with probability 0 is finite: 16 nats.
_SMALLEST = 1e-7


class ValidationLoss:
    """Dice, cross-entropy and focal loss of probabilities, weighted as in training.

    It needs no forward pass of its own, and does not depend on what the network
    predicts. If all these weights are 0, which a network that predicts the noise may
    have, Dice and cross-entropy have the weight 1.

    Args:
        loss: a `TrainingLoss`.
        encoding: a `MaskEncoding`.
        has_ignored: as for `TrainingLoss.of_segmentation`.
    """

    def __init__(self, loss, encoding, has_ignored=False):
        self._encoding = encoding
        self._has_ignored = has_ignored
        terms = loss.of_logits(encoding)
        if not any(weight for weight, _ in terms.values()):
            terms = TrainingLoss().of_logits(encoding)
        self._losses = WeightedLosses(terms, has_ignored)

    def __call__(self, mask, probabilities):
        """Loss of each example.

        Args:
            mask: ground truth in [0, 1], [batch, x, y, z, num_classes].
            probabilities: of the same shape.

        Returns:
            (float32 [batch], and float32 [batch], whether each counts, or None if all
            do).
        """
        clipped = tf.clip_by_value(probabilities, _SMALLEST, 1.0 - _SMALLEST)
        logits = tf.math.log(clipped)
        if not self._encoding.is_exclusive:
            logits -= tf.math.log1p(-clipped)
        counted = has_labelled_voxels(mask) if self._has_ignored else None
        return self._losses(mask, logits)["loss"], counted
