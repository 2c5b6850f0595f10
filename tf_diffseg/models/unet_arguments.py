"""The checked arguments of a U-Net."""

import dataclasses
import math
import numbers

from tf_diffseg.errors import InputError
from tf_diffseg.models.choices import MASK_OUTPUTS, SKIPS


@dataclasses.dataclass
class UNetArguments:
    """The arguments that `UNet3D` describes, as tuples and with their defaults.

    Raises:
        InputError: an argument is out of its range; the message names it.
    """

    out_channels: int
    image_channels: int
    mask_channels: int
    num_channels: tuple[int, ...]
    num_blocks: tuple[int, ...] | None
    kernel_size: tuple[int, ...] | tuple[tuple[int, ...], ...]
    patch_size: tuple[int, ...]
    scale_factor: tuple[int, ...] | tuple[tuple[int, ...], ...]
    num_heads: int
    skip: str
    dropout: float
    remat: bool
    norm: str
    mask_branch: tuple[int, ...] | None
    mask_output: str
    deep_supervision: int

    def __post_init__(self):
        self.num_channels = tuple(self.num_channels)
        if self.num_blocks is None:
            self.num_blocks = (1, *(2 for _ in self.num_channels[1:]))
        self.num_blocks = tuple(self.num_blocks)
        for name, choices in (("skip", SKIPS), ("mask_output", MASK_OUTPUTS)):
            is_right = getattr(self, name) in choices
            self._check(is_right, name, f"one of {list(choices)}")
        for name in ("out_channels", "image_channels"):
            self._check(getattr(self, name) >= 1, name, "at least 1")
        for name in ("mask_channels", "num_heads"):
            self._check(getattr(self, name) >= 0, name, "at least 0")
        self._check(0.0 <= self.dropout < 1.0, "dropout", "in [0, 1)")
        self._check(min(self.num_channels, default=0) >= 1, "num_channels", "positive")
        num_levels = len(self.num_channels)
        self._check(
            len(self.num_blocks) == num_levels and min(self.num_blocks) >= 1,
            "num_blocks",
            f"{num_levels} positive integers, one for each of num_channels",
        )
        self._check_sizes("patch_size")
        self._check_sizes("kernel_size", num_levels, "resolution")
        self._check_sizes("scale_factor", num_levels - 1, "step between resolutions")
        self._check_mask_branch()
        self._check_deep_supervision(num_levels - 1)

    def _check_deep_supervision(self, most):
        self._check(
            0 <= self.deep_supervision <= most,
            "deep_supervision",
            f"0 to {most}, the number of resolutions but the finest",
        )
        if self.deep_supervision and self.mask_channels and not self.mask_branch:
            raise InputError(
                "deep_supervision needs `mask_branch`, or no noisy mask: it is of the "
                "features of the image",
                argument="deep_supervision",
            )

    def _check_sizes(self, name, number=None, of_what=None):
        """Makes a tuple of sizes per axis, or of `number` tuples of such sizes."""
        sizes, expected = tuple(getattr(self, name)), "three positive integers"
        if of_what:
            expected += f", or {number} such triple(s), one for each {of_what}"
        rows = (sizes,)
        if _are_rows(sizes):
            rows = sizes = tuple(map(tuple, sizes))
            self._check(len(rows) == number, name, expected)
        self._check(all(map(_is_per_axis, rows)), name, expected)
        setattr(self, name, sizes)

    def _check_mask_branch(self):
        if not self.mask_branch:
            self.mask_branch = None
            self._check(
                self.mask_output == "features",
                "mask_output",
                "features without mask_branch",
            )
            return
        self.mask_branch = tuple(self.mask_branch)
        most = len(self.num_channels) - 1
        self._check(
            len(self.mask_branch) <= most and min(self.mask_branch) >= 1,
            "mask_branch",
            f"up to {most} positive integers, one for each resolution but the finest "
            "of num_channels",
        )
        if not self.mask_channels:
            raise InputError(
                "mask_branch needs `mask_channels`: there is no noisy mask",
                argument="mask_branch",
            )

    def _check(self, is_right, name, expected):
        if not is_right:
            raise InputError(
                f"{name} must be {expected}, got {getattr(self, name)!r}", argument=name
            )


def _is_per_axis(sizes):
    are_positive = (
        isinstance(size, numbers.Integral) and int(size) >= 1 for size in sizes
    )
    return len(sizes) == 3 and all(are_positive)


def rows_of(sizes, number):
    """Sizes per axis of each resolution or step.

    Args:
        sizes: three sizes, the same for all, or a row of such three.
        number: of resolutions or steps.

    Returns:
        Tuple of `number` tuples of three sizes.
    """
    return sizes if _are_rows(sizes) else (sizes,) * number


def _are_rows(sizes):
    return all(hasattr(row, "__len__") for row in sizes)


def shape_multiple(patch_size, scale_factor, num_levels):
    """Voxels per axis that one feature of the last of `num_levels` stands for."""
    num_steps = num_levels - 1
    steps = rows_of(scale_factor, num_steps)[:num_steps]
    return tuple(math.prod(sizes) for sizes in zip(patch_size, *steps, strict=True))
