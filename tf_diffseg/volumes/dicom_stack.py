"""Checks that slices are a stack: parallel, above each other, equally far apart."""

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import simpleitk
from tf_diffseg.volumes.headers import check_affine, check_spacing

# Files round the cosines of a direction, at best to 6 digits.
_ANGLE_TOLERANCE = 1e-3
# How far a slice may lie off the even grid that fits all best, in distances between
# slices. Files round positions, often to 0.01 mm and at times to whole millimetres:
# that is up to a fifth of 2.5 mm, and a little more because the grid is fitted.
_GRID_TOLERANCE = 0.25
# How far slices may be shifted in their plane, in pixels.
_SHIFT_TOLERANCE = 0.2
# In a gap of more distances between slices a slice is missing, however the positions
# are rounded.
_LONGEST_GAP = 1.5
# If a gap has fewer distances, slices are missing in most of the other gaps.
_SHORTEST_GAP = 0.55
# Slices that are closer than this share of the longest gap lie in one place.
_SAME_PLACE = 0.01

_ONE_VOLUME = (
    "expected the slices of one volume: put them into a folder of their own, or "
    "convert the series to NIfTI, as with dcm2niix"
)


def stack_affine(path, slices):
    """Sorts slices and finds the affine of their volume.

    Args:
        path: path of their folder, for messages.
        slices: list of `dicom_slices.Slice` in any order.

    Returns:
        `(slices, affine)`: slices sorted along their normal, and float64 (4, 4) from
        column, row and slice to the world in RAS+.

    Raises:
        InputError: the slices are not a stack.
    """
    if len(slices) < 2:
        raise InputError(f"{path} holds {len(slices)} DICOM slice(s), expected a stack")
    _check_same_size_and_direction(slices)
    normal = slices[0].directions[:, 2]
    slices = sorted(slices, key=lambda one: (float(one.origin @ normal), one.path))
    first = slices[0]
    positions_mm = np.array([one.origin @ normal for one in slices])
    _check_places(path, slices, positions_mm)
    distance_mm = _distance(slices, positions_mm)
    _check_above_each_other(path, slices)
    spacing_mm = (*first.spacing_mm, distance_mm)
    check_spacing(path, spacing_mm)
    affine = simpleitk.affine_of(first.origin, first.directions, spacing_mm)
    check_affine(path, affine)
    return slices, affine


def _check_same_size_and_direction(slices):
    first = slices[0]
    for one in slices[1:]:
        if one.shape != first.shape or not np.allclose(
            one.spacing_mm, first.spacing_mm, rtol=1e-3
        ):
            raise InputError(
                f"{one.path} has {one.shape} pixels of {one.spacing_mm} mm, "
                f"{first.path} has {first.shape} of {first.spacing_mm} mm: expected "
                "slices of one size"
            )
        if not np.allclose(one.directions, first.directions, atol=_ANGLE_TOLERANCE):
            raise InputError(
                f"{one.path} is not parallel to {first.path}: expected an axis-aligned "
                "stack of slices"
            )


def _check_places(path, slices, positions_mm):
    """Raises InputError if several slices lie in one place."""
    gaps = np.diff(positions_mm)
    ends = np.flatnonzero(gaps > _SAME_PLACE * gaps.max()) + 1
    places = [list(group) for group in np.split(np.array(slices, object), ends)]
    counts = [len(place) for place in places]
    if max(counts) == 1:
        return
    place = places[int(np.argmax(counts))]
    one, other = place[:2]
    if one.uid == other.uid:
        raise InputError(
            f"{one.path} and {other.path} lie in one place: they are the same picture "
            f"(SOPInstanceUID {one.uid}), expected each slice once"
        )
    difference = _difference_in_words(place)
    if len(places) > 1 and min(counts) == 1 and counts.count(1) > len(counts) // 2:
        raise InputError(
            f"{one.path} and {other.path} lie in one place, {difference}; {_ONE_VOLUME}"
        )
    raise InputError(
        f"{path} holds {max(counts)} slices at each of {len(places)} place(s), as a "
        f"time series or several acquisitions: {one.path} and {other.path} lie in one "
        f"place, {difference}; {_ONE_VOLUME}"
    )


def _difference_in_words(place):
    """Names the first tag in which the slices of one place differ."""
    for name in place[0].details:
        values = {one.details[name]: None for one in place}
        if len(values) > 1:
            shown = ", ".join(list(values)[:3])
            more = ", ..." if len(values) > 3 else ""
            return f"they differ in {name} ({shown}{more})"
    return "and no tag tells them apart"


def _distance(slices, positions_mm):
    """Returns the mean distance; raises InputError if distances are not equal."""
    gaps = np.diff(positions_mm)
    # The lower median: if there are two gaps, a slice is missing in the longer one.
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    longest, shortest = int(gaps.argmax()), int(gaps.argmin())
    odd, what = None, ""
    if gaps[longest] > _LONGEST_GAP * usual:
        missing = max(1, round(gaps[longest] / usual) - 1)
        odd, what = longest, "is one" if missing == 1 else f"are {missing}"
    elif gaps[shortest] < _SHORTEST_GAP * usual:
        odd, what = shortest, "are some"
    if odd is not None:
        raise InputError(
            f"{slices[odd].path} and {slices[odd + 1].path} are {gaps[odd]:.4g} mm "
            f"apart, the others {usual:.4g} mm: expected slices at equal distances, "
            f"{what} missing?"
        )
    _check_on_grid(slices, positions_mm)
    return float(positions_mm[-1] - positions_mm[0]) / len(gaps)


def _check_on_grid(slices, positions_mm):
    """Raises InputError if a slice lies off the even grid that fits all best."""
    indices = np.arange(len(slices))
    distance_mm, first_mm = np.polyfit(indices, positions_mm, 1)
    off_mm = np.abs(positions_mm - first_mm - distance_mm * indices)
    worst = int(off_mm.argmax())
    if off_mm[worst] > _GRID_TOLERANCE * distance_mm:
        raise InputError(
            f"{slices[worst].path} lies {off_mm[worst]:.3g} mm off the grid of "
            f"{distance_mm:.4g} mm that fits all slices best: expected slices at equal "
            "distances"
        )


def _check_above_each_other(path, slices):
    """Raises InputError if slices are shifted against each other in their plane."""
    first = slices[0]
    shifts_mm = np.array(
        [first.directions[:, :2].T @ (one.origin - first.origin) for one in slices]
    )
    tolerance_mm = _SHIFT_TOLERANCE * min(first.spacing_mm)
    if np.abs(shifts_mm).max() <= tolerance_mm:
        return
    steps = np.linspace(0.0, 1.0, len(slices))[:, np.newaxis]
    off_mm = np.abs(shifts_mm - steps * shifts_mm[-1]).max(axis=1)
    worst = int(off_mm.argmax())
    if off_mm[worst] > tolerance_mm:
        raise InputError(
            f"{slices[worst].path} is shifted by {off_mm[worst]:.3g} mm in its plane "
            "against the others: expected an axis-aligned stack of slices"
        )
    raise InputError(
        f"{path} is no axis-aligned stack: its last slice is shifted by "
        f"{np.round(shifts_mm[-1], 3).tolist()} mm in the plane against the first, as "
        "with a tilted gantry; dcm2niix makes NIfTI of it that is straight"
    )
