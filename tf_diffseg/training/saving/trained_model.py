"""Loads checkpoints of whichever class."""

# Registers the classes.
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D  # noqa: F401
from tf_diffseg.training.saving.checkpoints import load_checkpoint


def load_trained_model(path):
    """Loads a model for prediction, with its averaged weights if it has averages.

    Args:
        path: path of a checkpoint.

    Returns:
        `DiffusionUNet3D` or `SegmentationUNet3D`.

    Raises:
        CheckpointError: the averages cannot be used.
    """
    return load_checkpoint(path)
