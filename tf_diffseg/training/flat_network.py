"""The model that flags and configs ask for."""

from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.flat_arguments import composed, is_supervised
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D


def flat_network(num_classes, image_channels=1, **arguments):
    """A model, not compiled.

    Args:
        num_classes: as for `DiffusionUNet3D`.
        image_channels: likewise.
        **arguments: flat ones, like num_timesteps and dice_weight, and those that are
            not.

    Returns:
        `SegmentationUNet3D` where strategy is "supervised", else `DiffusionUNet3D`.

    Raises:
        ValueError: as that, or as `composed`.
    """
    network = SegmentationUNet3D if is_supervised(arguments) else DiffusionUNet3D
    return network(num_classes, image_channels, **composed(arguments))
