"""Makes the model of flags or a config."""

from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.flat_arguments import composed, is_supervised
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D


def flat_network(num_classes, image_channels=1, **arguments):
    """Makes a `SegmentationUNet3D` for strategy "supervised", else a `DiffusionUNet3D`.

    Args:
        num_classes: as for `DiffusionUNet3D`.
        image_channels: as for `DiffusionUNet3D`.
        **arguments: its other arguments, or flat ones such as num_timesteps.

    Raises:
        ValueError: as `DiffusionUNet3D`, or as `composed`.
    """
    network = SegmentationUNet3D if is_supervised(arguments) else DiffusionUNet3D
    return network(num_classes, image_channels, **composed(arguments))
