"""Checks of a request: they raise INVALID_ARGUMENT before anything is computed."""

import tensorflow as tf

from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    SMALLEST_SPACING_MM,
    SMALLEST_UNIT_VOLUME,
)


def require(values, is_met, *parts):
    """Passes values on if a requirement is met.

    What is computed from the result runs after the check, so nothing is allocated
    for a request that is refused.

    Args:
        values: nested structure of tensors.
        is_met: bool scalar.
        *parts: the `message` that says what was expected and what came.

    Returns:
        `values`.

    Raises:
        tf.errors.InvalidArgumentError: the requirement is not met.
    """
    check = tf.debugging.Assert(is_met, [message(*parts)])
    with tf.control_dependencies([check]):
        return tf.nest.map_structure(tf.identity, values)


def message(*parts):
    """Joins strings and tensors of strings or numbers to one text."""
    return tf.strings.join([_text(part) for part in parts])


def _text(part):
    if isinstance(part, str) or part.dtype == tf.string:
        return part
    if part.shape.rank:
        return tf.strings.format("{}", part, summarize=-1)
    return tf.strings.as_string(part, shortest=part.dtype.is_floating)


def shape_text(shape):
    """A shape, int [rank], as text: 40x56x40."""
    return tf.strings.reduce_join(tf.strings.as_string(shape), separator="x")


def product(shape):
    """Number of voxels of a shape, float64: header fields may overflow integers."""
    return tf.reduce_prod(tf.cast(shape, tf.float64))


def check_spacing(spacing_mm, name, largest_mm=LARGEST_SPACING_MM):
    """Passes a spacing on if a scan of a body can have it.

    Args:
        spacing_mm: float [3].
        name: what the spacing was read from, for the message.
        largest_mm: scalar, the largest value that is allowed.

    Returns:
        `spacing_mm`.

    Raises:
        tf.errors.InvalidArgumentError: a value is out of range.
    """
    largest_mm = tf.cast(largest_mm, spacing_mm.dtype)
    is_in_range = (spacing_mm >= SMALLEST_SPACING_MM) & (spacing_mm <= largest_mm)
    return require(
        spacing_mm,
        tf.reduce_all(is_in_range),
        f"expected a spacing of {SMALLEST_SPACING_MM:g} to ",
        largest_mm,
        f" mm by {name}, got ",
        spacing_mm,
    )


def check_affine(affine, largest_mm=LARGEST_SPACING_MM):
    """Passes an affine on if it is finite and can be inverted.

    The limits are the same as for the files of training data, see
    `tf_diffseg.volumes.headers`.

    Args:
        affine: float32 or float64 [4, 4].
        largest_mm: as in `check_spacing`.

    Returns:
        `affine`.

    Raises:
        tf.errors.InvalidArgumentError: no scan of a body can have this affine.
    """
    is_last_row = tf.reduce_all(tf.equal(affine[3], [0.0, 0.0, 0.0, 1.0]))
    affine = require(
        affine,
        tf.reduce_all(tf.math.is_finite(affine)) & is_last_row,
        "expected a finite affine with the last row 0 0 0 1, got ",
        affine,
    )
    axes = affine[:3, :3]
    spacing_mm = check_spacing(tf.norm(axes, axis=0), "the affine", largest_mm)
    return require(
        affine,
        tf.abs(tf.linalg.det(axes / spacing_mm)) >= SMALLEST_UNIT_VOLUME,
        "expected an affine whose voxel axes span a volume, got ",
        affine,
    )
