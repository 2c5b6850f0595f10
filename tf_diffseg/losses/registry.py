"""Losses by name."""

from tf_diffseg.losses.class_mean import mean_over_present_classes
from tf_diffseg.losses.cross_entropy import cross_entropy_loss
from tf_diffseg.losses.dice import dice_loss_from_logits
from tf_diffseg.losses.focal import focal_loss
from tf_diffseg.losses.voxels import only_labelled


def mean_dice_loss(mask, logits, exclusive=True, is_labelled=None):
    """Mean of `dice_loss_from_logits` over the classes that an example has."""
    per_class = dice_loss_from_logits(mask, logits, exclusive, is_labelled)
    return mean_over_present_classes(per_class, only_labelled(mask, is_labelled))


# Functions (mask, logits, exclusive, is_labelled, **options) to losses [batch], see
# `cross_entropy_loss`. A config names them as "name:weight=0.5,option=1.5".
LOSSES = {
    "dice_loss": mean_dice_loss,
    "cross_entropy": cross_entropy_loss,
    "focal_loss": focal_loss,
}
