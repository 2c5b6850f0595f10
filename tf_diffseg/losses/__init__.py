"""Segmentation losses per example: Dice, cross-entropy and focal."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "LOSSES": "registry",
        "cross_entropy_loss": "cross_entropy",
        "dice_loss": "dice",
        "dice_loss_from_logits": "dice",
        "focal_loss": "focal",
        "mean_over_present_classes": "class_mean",
    },
)
