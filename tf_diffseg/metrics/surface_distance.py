"""Distances between the surfaces of two segmentations, in mm.

The surface is the set of voxels of a mask that have a face on its outside or on the
edge of the volume. A volume of one slice is a 2D image: there the surface is the
outline in the slice. Distances are between voxel centres.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import ndimage, spatial

from tf_diffseg.metrics.dice import check_same_shape

# Voxel axes with a smaller cosine count as orthogonal; this is the largest relative
# error of distances.
_LARGEST_COSINE = 1e-3


@dataclasses.dataclass(frozen=True)
class SurfaceDistances:
    """Distance of each surface voxel to the other mask's surface.

    If one mask is empty, the distance of the other's voxels is the diagonal of the
    volume: a missed or invented structure is never better than a badly segmented one.

    Attributes:
        ground_truth_to_predicted_mm: one distance per surface voxel of ground truth.
        predicted_to_ground_truth_mm: one distance per surface voxel of prediction.
    """

    ground_truth_to_predicted_mm: np.ndarray
    predicted_to_ground_truth_mm: np.ndarray

    def hausdorff_mm(self, percentile=95):
        """Hausdorff distance in mm, the larger of the two directed distances.

        Args:
            percentile: of each direction's distances; 100 for the maximum.
        """
        directed = (
            self.ground_truth_to_predicted_mm,
            self.predicted_to_ground_truth_mm,
        )
        return max(float(np.percentile(d, percentile)) for d in directed if d.size)

    def average_mm(self):
        """Average symmetric surface distance (ASSD) in mm, over all surface voxels."""
        return float(np.mean(self._all()))

    def surface_dice(self, tolerance_mm):
        """Share of surface voxels in [0, 1] that are this near to the other surface."""
        # Affines are in float32, by which 5 voxels of 0.4 mm are more than 2 mm.
        return float(np.mean(self._all() <= tolerance_mm * (1.0 + 1e-5)))

    def _all(self):
        return np.concatenate(
            [self.ground_truth_to_predicted_mm, self.predicted_to_ground_truth_mm]
        )


def _surface(mask, shape):
    """The surface of a mask that was cut out of a volume of a shape."""
    neighbours = ndimage.generate_binary_structure(mask.ndim, 1)
    for axis, size in enumerate(shape):
        if size == 1:
            neighbours = neighbours & np.expand_dims(
                np.arange(3) == 1, [a for a in range(mask.ndim) if a != axis]
            )
    return mask & ~ndimage.binary_erosion(mask, neighbours)


def _distances_mm(from_surface, to_surface, axes_mm, diagonal_mm):
    if not to_surface.any():
        return np.full(np.count_nonzero(from_surface), diagonal_mm)
    spacing_mm = np.linalg.norm(axes_mm, axis=0)
    if _is_orthogonal(axes_mm / spacing_mm):
        distance_mm = ndimage.distance_transform_edt(~to_surface, sampling=spacing_mm)
        return distance_mm[from_surface]
    # The transform works axis by axis, which is wrong for sheared axes; this is slower.
    places_mm = (np.argwhere(mask) @ axes_mm.T for mask in (to_surface, from_surface))
    return spatial.KDTree(next(places_mm)).query(next(places_mm))[0]


def _is_orthogonal(directions):
    """Whether unit vectors are orthogonal, except for the rounding of headers."""
    cosines = directions.T @ directions - np.eye(len(directions))
    return np.abs(cosines).max() <= _LARGEST_COSINE


def longest_diagonal_mm(axes_mm, shape):
    """Length in mm of the longest diagonal of a volume, which may be sheared.

    Args:
        axes_mm: [n, n], a column for each voxel axis.
        shape: [n], of the volume.
    """
    signs = 1.0 - 2.0 * np.array(list(np.ndindex(*[2] * len(shape))))
    return float(np.linalg.norm((signs * shape) @ np.transpose(axes_mm), axis=1).max())


def _axes_mm(spacing_mm, rank):
    """Voxel axes [rank, rank] from spacings or axes; raises ValueError."""
    given = np.asarray(spacing_mm, np.float64)
    if given.shape == (rank,) and (given > 0.0).all():
        return np.diag(given)
    if given.shape == (rank, rank) and np.linalg.norm(given, axis=0).all():
        return given
    raise ValueError(
        f"spacing_mm must be {rank} positive numbers, or as many axes, got {given}"
    )


def surface_distances(
    ground_truth_mask, predicted_mask, spacing_mm, diagonal_mm=None, volume_shape=None
):
    """Measures the distances between the surfaces of two masks.

    Args:
        ground_truth_mask: bool or 0/1 of shape [x, y, z], or of any rank.
        predicted_mask: same shape.
        spacing_mm: voxel size along each axis; or a matrix whose columns are the voxel
            axes, as in the upper left of an affine, which may be sheared.
        diagonal_mm: distance of a mask that is empty; by default the diagonal of these
            volumes. Give it if they were cut out of larger ones.
        volume_shape: shape of the volumes that they were cut out of; by default their
            own.

    Returns:
        `SurfaceDistances`.

    Raises:
        ValueError: if shapes differ or do not fit the spacing, or if both masks are
            empty.
    """
    ground_truth = np.asarray(ground_truth_mask, bool)
    predicted = np.asarray(predicted_mask, bool)
    check_same_shape(ground_truth, predicted)
    axes_mm = _axes_mm(spacing_mm, ground_truth.ndim)
    either = ground_truth | predicted
    if not either.any():
        raise ValueError("both masks are empty: their surface distance is undefined")
    if diagonal_mm is None:
        diagonal_mm = longest_diagonal_mm(axes_mm, either.shape)
    # All surface voxels lie in the box around both masks.
    (box,) = ndimage.find_objects(either.astype(np.uint8))
    shape = either.shape if volume_shape is None else volume_shape
    ground_truth_surface = _surface(ground_truth[box], shape)
    predicted_surface = _surface(predicted[box], shape)
    return SurfaceDistances(
        _distances_mm(ground_truth_surface, predicted_surface, axes_mm, diagonal_mm),
        _distances_mm(predicted_surface, ground_truth_surface, axes_mm, diagonal_mm),
    )


class ClassSurfaceMetrics(NamedTuple):
    """Surface metrics of one volume, arrays of shape [num_classes].

    Attributes:
        hd95_mm: 95th percentile Hausdorff distance.
        assd_mm: average symmetric surface distance.
        surface_dice: share of the surfaces within the tolerance.
        is_defined: False for a class that is absent from ground truth and prediction
            alike: its metrics are 0 here, leave it out of means, and count it.
    """

    hd95_mm: np.ndarray
    assd_mm: np.ndarray
    surface_dice: np.ndarray
    is_defined: np.ndarray


def surface_metrics(
    ground_truth_label, predicted_label, num_classes, spacing_mm, tolerance_mm=1.0
):
    """Surface metrics of one volume of class ids.

    Args:
        ground_truth_label: int of shape [x, y, z], or of any rank.
        predicted_label: int, same shape.
        num_classes: number of classes, background included.
        spacing_mm: voxel size along each axis.
        tolerance_mm: of the surface Dice.

    Returns:
        `ClassSurfaceMetrics`.

    Raises:
        ValueError: if shapes differ or do not fit the spacing.
    """
    metrics = ClassSurfaceMetrics(
        np.zeros(num_classes),
        np.zeros(num_classes),
        np.zeros(num_classes),
        np.zeros(num_classes, bool),
    )
    for class_id in range(num_classes):
        ground_truth = np.equal(ground_truth_label, class_id)
        predicted = np.equal(predicted_label, class_id)
        if not ground_truth.any() and not predicted.any():
            continue
        distances = surface_distances(ground_truth, predicted, spacing_mm)
        metrics.hd95_mm[class_id] = distances.hausdorff_mm(percentile=95)
        metrics.assd_mm[class_id] = distances.average_mm()
        metrics.surface_dice[class_id] = distances.surface_dice(tolerance_mm)
        metrics.is_defined[class_id] = True
    return metrics
