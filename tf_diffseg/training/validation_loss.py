"""A loss of the segmentation that sampling ends with."""

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import MaskEncoding
from tf_diffseg.training.ignored_voxels import has_labelled_voxels
from tf_diffseg.training.training_loss import TrainingLoss

# A class that is held for impossible has a finite cross-entropy, of 16 nats.
_SMALLEST = 1e-7
_OF_SEGMENTATIONS = (
    "dice_weight",
    "cross_entropy_weight",
    "focal_weight",
    "focal_gamma",
)


class ValidationLoss:
    """Dice, cross-entropy and focal loss of probabilities, by the training's weights.

    It takes no forward pass of its own, and means the same whatever the network
    predicts and is trained with. Where all these weights are 0, as a network that
    predicts the noise may have them, Dice and cross-entropy count 1 each.

    Args:
        encoding: a `MaskEncoding`.
        has_ignored: as for `TrainingLoss`.
        **loss_arguments: those of `TrainingLoss`.
    """

    def __init__(self, encoding, has_ignored=False, **loss_arguments):
        self._encoding = MaskEncoding(encoding)
        self._has_ignored = has_ignored
        kept = {name: loss_arguments[name] for name in _OF_SEGMENTATIONS}
        if not any(kept[name] for name in kept if name.endswith("_weight")):
            kept |= {"dice_weight": 1.0, "cross_entropy_weight": 1.0}
        self._loss = TrainingLoss(None, encoding, has_ignored=has_ignored, **kept)

    def __call__(self, mask, probabilities):
        """Loss of each example.

        Args:
            mask: ground truth in [0, 1], [batch, x, y, z, num_classes].
            probabilities: of the same shape.

        Returns:
            (float32 [batch], whether each counts: float32 [batch], or None where all
            do).
        """
        clipped = tf.clip_by_value(probabilities, _SMALLEST, 1.0 - _SMALLEST)
        logits = tf.math.log(clipped)
        if self._encoding is MaskEncoding.OVERLAPPING:
            logits -= tf.math.log1p(-clipped)
        counted = has_labelled_voxels(mask) if self._has_ignored else None
        return self._loss(mask, logits, None, None)["loss"], counted
