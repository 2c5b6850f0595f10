"""The checked arguments of a U-Net."""

import dataclasses

from tf_diffseg.models.choices import SKIPS


@dataclasses.dataclass
class UNetArguments:
    """The arguments that `UNet3D` describes, as tuples and with their defaults.

    Raises:
        ValueError: an argument is out of its range; the message names it.
    """

    out_channels: int
    image_channels: int
    mask_channels: int
    num_channels: tuple[int, ...]
    num_blocks: tuple[int, ...] | None
    kernel_size: tuple[int, ...]
    patch_size: tuple[int, ...]
    scale_factor: tuple[int, ...]
    num_heads: int
    skip: str
    dropout: float
    remat: bool
    norm: str
    mask_branch: tuple[int, ...] | None

    def __post_init__(self):
        for name in ("kernel_size", "patch_size", "scale_factor"):
            setattr(self, name, _per_axis(name, getattr(self, name)))
        self.num_channels = tuple(self.num_channels)
        if self.num_blocks is None:
            self.num_blocks = (1, *(2 for _ in self.num_channels[1:]))
        self.num_blocks = tuple(self.num_blocks)
        if self.skip not in SKIPS:
            raise ValueError(f"skip must be one of {list(SKIPS)}, got {self.skip!r}")
        self._at_least(1, "out_channels", "image_channels")
        self._at_least(0, "mask_channels", "num_heads")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if not self.num_channels or min(self.num_channels) < 1:
            raise ValueError(f"num_channels must be positive, got {self.num_channels}")
        num_levels = len(self.num_channels)
        if len(self.num_blocks) != num_levels or min(self.num_blocks) < 1:
            raise ValueError(
                f"num_blocks must be {num_levels} positive integers, one for each of "
                f"num_channels, got {self.num_blocks}"
            )
        self._check_mask_branch()

    def _check_mask_branch(self):
        if not self.mask_branch:
            self.mask_branch = None
            return
        self.mask_branch = tuple(self.mask_branch)
        most = len(self.num_channels) - 1
        if len(self.mask_branch) > most or min(self.mask_branch) < 1:
            raise ValueError(
                f"mask_branch must be up to {most} positive integers, one for each "
                f"resolution but the finest of num_channels, got {self.mask_branch}"
            )
        if not self.mask_channels:
            raise ValueError("mask_branch needs mask_channels: there is no noisy mask")

    def _at_least(self, least, *names):
        for name in names:
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} must be at least {least}, got {getattr(self, name)}"
                )


def _per_axis(name, sizes):
    sizes = tuple(sizes)
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"{name} must be three positive integers, got {sizes}")
    return sizes


def shape_multiple(patch_size, scale_factor, num_levels):
    """Voxels per axis that one feature of the last of `num_levels` stands for."""
    return tuple(
        patch * scale ** (num_levels - 1)
        for patch, scale in zip(patch_size, scale_factor, strict=True)
    )
