"""Makes synthetic cases with a known truth that look like MR.

An anatomy (`data_tools.phantoms.phantom_anatomy`) is sampled on a grid of random shape,
spacing, axis order and obliqueness, with two points per voxel and axis, so that borders
hold partial volumes. A smooth bias field, tissue texture and Rician noise follow. The
intensities of classes and background overlap, so a threshold finds little: see
`data_tools.phantoms.threshold_baseline`.
"""

import dataclasses

import numpy as np

from data_tools.phantoms.phantom_anatomy import Anatomy, Tissue

CLASS_NAMES = ("background", "organ", "vessel", "nodule")

# Per tissue: air, fat, plain, second organ, gland, organ, vessel, nodule.
_CLASS_IDS = np.array([0, 0, 0, 0, 0, 1, 2, 3], np.uint8)
_INTENSITIES = np.array([0.02, 0.86, 0.40, 0.60, 0.84, 0.60, 0.84, 0.38])

_SHAPE_RANGE = (36, 56)
_SUPERSAMPLING = 2
_NOISE = 0.035


@dataclasses.dataclass(frozen=True)
class PhantomCase:
    """One case on the grid of its file.

    Attributes:
        image: int16 (i, j, k).
        label: uint8 class ids (i, j, k), indices of `CLASS_NAMES`.
        affine: float64 (4, 4), from voxel to world.
    """

    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray


def make_case(seed, index):
    """Makes one case, which does not depend on the number of cases.

    Args:
        seed: int, seed of the data set.
        index: int, number of the case.

    Returns:
        A `PhantomCase`.
    """
    rng = np.random.default_rng([seed, index])
    anatomy = Anatomy.random(rng)
    shape, affine = _random_grid(rng)
    tissue = anatomy.tissue(_positions(shape, affine, per_axis=_SUPERSAMPLING))
    shares = _tissue_shares(tissue)  # (i, j, k, tissue)
    class_shares = shares @ np.eye(len(CLASS_NAMES))[_CLASS_IDS]
    signal = shares @ (_INTENSITIES + rng.normal(0.0, 0.012, len(Tissue)))
    positions = _positions(shape, affine)
    signal *= 1.0 + 0.06 * _smooth_field(rng, positions, (4.0, 9.0), num_waves=24)
    signal *= np.exp(0.25 * _smooth_field(rng, positions, (60.0, 110.0), num_waves=4))
    noise = rng.normal(0.0, _NOISE, (2, *shape))
    magnitude = np.hypot(signal + noise[0], noise[1])  # Rician
    # Scanners differ in gain, so published data sets do too.
    image = np.rint(magnitude * rng.uniform(150.0, 1500.0)).astype(np.int16)
    label = class_shares.argmax(axis=-1).astype(np.uint8)
    return PhantomCase(image, label, affine)


def _random_grid(rng):
    """`(shape, affine)` of a grid over the body; some are anisotropic or oblique."""
    spacing_mm = np.full(3, rng.uniform(0.85, 1.3))
    if rng.random() < 0.5:
        spacing_mm[rng.integers(3)] = rng.uniform(1.2, 1.6)
    field_of_view_mm = rng.uniform(48.0, 56.0, 3)
    shape = np.clip(np.rint(field_of_view_mm / spacing_mm), *_SHAPE_RANGE).astype(int)
    axes = np.eye(3)
    if rng.random() < 0.6:
        axes = axes[rng.permutation(3)] * rng.choice((-1.0, 1.0), 3)
    if rng.random() < 0.5:
        axes = _small_rotation(rng) @ axes
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)  # centred on the body
    return shape, affine


def _small_rotation(rng):
    """Rotation (3, 3) by up to 9 degrees about each axis, about 15 in total."""
    rotation = np.eye(3)
    for axis in range(3):
        angle = np.deg2rad(rng.uniform(-9.0, 9.0))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        rotation = turn @ rotation
    return rotation


def _positions(shape, affine, per_axis=1):
    """World positions (i, j, k, 3) of `per_axis` points per voxel and axis."""
    index = [(np.arange(size * per_axis) + 0.5) / per_axis - 0.5 for size in shape]
    grid = np.stack(np.meshgrid(*index, indexing="ij"), axis=-1)
    return grid @ affine[:3, :3].T + affine[:3, 3]


def _tissue_shares(tissue):
    """Fraction of each voxel that each tissue fills, (i, j, k, tissue)."""
    factor = _SUPERSAMPLING
    i, j, k = (size // factor for size in tissue.shape)
    one_hot = np.eye(len(Tissue), dtype=np.float32)[tissue]
    blocks = one_hot.reshape(i, factor, j, factor, k, factor, len(Tissue))
    return blocks.mean(axis=(1, 3, 5))


def _smooth_field(rng, positions, wavelengths_mm, num_waves):
    """Random field (i, j, k) with mean 0 and a standard deviation of about 1."""
    directions = rng.normal(size=(num_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths_mm = rng.uniform(*wavelengths_mm, (num_waves, 1))
    phases = rng.uniform(0.0, 2 * np.pi, num_waves)
    angles = positions @ (2 * np.pi * directions / lengths_mm).T + phases
    return np.sin(angles).sum(axis=-1) * np.sqrt(2.0 / num_waves)
