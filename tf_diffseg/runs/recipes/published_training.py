"""Training as published, for `experiments/configs`."""

import dataclasses
from typing import Any

from tf_diffseg.errors import InputError
from tf_diffseg.runs.train_config import TrainConfig

# Slices of a batch, and those of each volume in an epoch.
_SLICES, _SLICES_OF_VOLUME = 32, 16

# Moved by the published range; the intensities stay.
_AUGMENTATION: dict[str, Any] = {
    "affine_probability": 1.0,
    "rotation_degrees": 5.0,
    "zoom": 0.15,
    "shear": 0.0,
    "elastic_probability": 0.0,
    "noise_probability": 0.0,
    "blur_probability": 0.0,
    "brightness_probability": 0.0,
    "contrast_probability": 0.0,
    "low_resolution_probability": 0.0,
    "gamma_probability": 0.0,
}
_OPTIMIZATION: dict[str, Any] = {
    "warmup_steps": 100,
    "weight_decay": 1e-8,
    "gradient_clip": 1.0,
    "precision": "mixed_bfloat16",
    "remat": True,
    "validation_frequency": 10,
}


def first_paper(patch_shape, num_cases, dimensions, diffusion, **values):
    """The `TrainConfig` of arXiv 2303.06040: five steps, recycling from the next.

    12,500 steps of 8 volumes, which a device takes one by one.

    Args:
        patch_shape: (x, y, z) of the published volumes.
        num_cases: training cases.
        dimensions: 3, or 2 for slices.
        diffusion: whether to train a diffusion model, or else the same network without
            noisy mask and time.
        **values: further values of the config.

    Raises:
        InputError: `dimensions` is something else.
    """
    config = TrainConfig(
        patch_shape=patch_shape,
        batch_size=8,
        accumulation_steps=8,
        learning_rate=1e-4,
        model_variance="fixed_large",
        sampler="ddpm",
        num_channels=(32, 32, 64, 128, 256),
        num_blocks=(1, 1, 1, 1, 1),
        num_heads=0,
        **(_AUGMENTATION | _OPTIMIZATION | values),
    )
    return _variant(config, 12_500, num_cases, dimensions, diffusion)


def second_paper(patch_shape, num_cases, dimensions, diffusion, steps, **values):
    """The `TrainConfig` of arXiv 2308.16355: recycling from the last of 1001 steps.

    Five steps of DDPM sample. The network sees patches of 2 voxels along each axis, and
    has attention at the coarsest resolution.

    Args:
        patch_shape: as in `first_paper`.
        num_cases: as in `first_paper`.
        dimensions: as in `first_paper`.
        diffusion: as in `first_paper`.
        steps: of the optimizer.
        **values: further values of the config.

    Raises:
        InputError: `dimensions` is something else.
    """
    published: dict[str, Any] = {
        "batch_size": 8,
        "accumulation_steps": 8,
        "learning_rate": 8e-4,
        "strategy": "recycling_from_last",
        "num_timesteps": 1001,
        "timestep_sampling": "loss",
        "sampler": "ddpm:num_timesteps=5",
        "cross_entropy_weight": 0.0,
        "focal_weight": 20.0,
        "num_channels": (32, 64, 128, 256),
        "patch_size": (2, 2, 2),
        "num_heads": 8,
    }
    config = TrainConfig(
        patch_shape=patch_shape,
        **(_AUGMENTATION | _OPTIMIZATION | published | values),
    )
    return _variant(config, steps, num_cases, dimensions, diffusion)


def _variant(config, steps, num_cases, dimensions, diffusion):
    if dimensions == 2:
        config = on_slices(config)
    elif dimensions != 3:
        raise InputError(
            f"dimensions={dimensions} must be 2 or 3", argument="dimensions"
        )
    patches = num_cases * config.patches_per_volume
    epochs = round(steps * config.batch_size / patches)
    config = dataclasses.replace(config, epochs=max(epochs, 1))
    return config if diffusion else without_diffusion(config)


def on_slices(config):
    """A config for slices across z, each a patch, in place of one for volumes."""
    values: dict[str, Any] = {}
    if config.patch_shape[2] > 1:  # Else the data are slices.
        values = {
            "batch_size": _SLICES,
            "accumulation_steps": 1,
            "patches_per_volume": _SLICES_OF_VOLUME,
        }
    return dataclasses.replace(
        config,
        patch_shape=(*config.patch_shape[:2], 1),
        patch_size=(*config.patch_size[:2], 1),
        kernel_size=(3, 3, 1),
        scale_factor=(2, 2, 1),
        **values,
    )


def without_diffusion(config):
    """The config of the same network without noisy mask and time."""
    of_diffusion = TrainConfig()
    names = ("num_timesteps", "timestep_sampling", "sampler", "model_variance")
    values = {name: getattr(of_diffusion, name) for name in names}
    return dataclasses.replace(config, strategy="supervised", **values)
