"""The weighted sum of segmentation losses."""

from tf_diffseg.losses.class_mean import mean_over_present_classes
from tf_diffseg.losses.cross_entropy import cross_entropy_loss
from tf_diffseg.losses.dice import dice_loss_from_logits
from tf_diffseg.losses.focal import focal_loss


def segmentation_loss(mask, logits, weights):
    """Losses of each example, and their weighted sum.

    Args:
        mask: ground truth, one-hot [batch, x, y, z, num_classes].
        logits: same shape.
        weights: dict from the names of `LOSSES` to their weights; a loss of weight
            0 is not computed.

    Returns:
        Dict from name to loss [batch], with the weighted sum as `loss`.
    """
    losses = {
        name: LOSSES[name](mask, logits) for name, weight in weights.items() if weight
    }
    total = sum(weights[name] * loss for name, loss in losses.items())
    return {"loss": total, **losses}


def _dice(mask, logits):
    per_class = dice_loss_from_logits(mask, logits)
    return mean_over_present_classes(per_class, mask)


LOSSES = {
    "dice_loss": _dice,
    "cross_entropy": cross_entropy_loss,
    "focal_loss": focal_loss,
}
