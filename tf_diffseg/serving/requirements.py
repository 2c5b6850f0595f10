"""What a request must be, told as INVALID_ARGUMENT before anything is computed."""

import tensorflow as tf

from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    SMALLEST_SPACING_MM,
    SMALLEST_UNIT_VOLUME,
)


def require(values, *requirements):
    """Passes values on where all requirements hold.

    What is computed from the result runs after the checks, so that what they refuse
    is never allocated.

    Args:
        values: nested structure of tensors.
        *requirements: pairs (bool scalar, text), the text of what was expected, and
            what came where tensors tell it (`tf.strings.format`).

    Returns:
        `values`.

    Raises:
        tf.errors.InvalidArgumentError: the first that does not hold, by its text.
    """
    for is_met, text in requirements:
        check = tf.debugging.Assert(is_met, [text])
        with tf.control_dependencies([check]):
            values = tf.nest.map_structure(tf.identity, values)
    return values


def message(*parts):
    """Text of strings and of numbers, which may be tensors."""
    return tf.strings.join(
        [
            part
            if isinstance(part, str) or part.dtype == tf.string
            else tf.strings.as_string(part, shortest=part.dtype.is_floating)
            for part in parts
        ]
    )


def shape_text(shape):
    """A shape, int [rank], as text: 40x56x40."""
    return tf.strings.reduce_join(tf.strings.as_string(shape), separator="x")


def product(shape):
    """Number of voxels of a shape, float64: header fields may overflow integers."""
    return tf.reduce_prod(tf.cast(shape, tf.float64))


def check_spacing(spacing_mm, name, largest_mm=LARGEST_SPACING_MM):
    """Passes spacings [3] on that can be those of a scan of a body.

    Args:
        spacing_mm: float64 [3].
        name: of what tells of them.
        largest_mm: scalar, the largest that they may be.

    Returns:
        `spacing_mm`.

    Raises:
        tf.errors.InvalidArgumentError: they are out of range.
    """
    largest_mm = tf.cast(largest_mm, spacing_mm.dtype)
    is_met = tf.reduce_all(
        (spacing_mm >= SMALLEST_SPACING_MM) & (spacing_mm <= largest_mm)
    )
    text = message(
        f"expected a spacing of {SMALLEST_SPACING_MM:g} to ",
        largest_mm,
        f" mm by {name}, got ",
        tf.strings.format("{}", spacing_mm),
    )
    return require(spacing_mm, (is_met, text))


def check_affine(affine, largest_mm=LARGEST_SPACING_MM):
    """Passes an affine [4, 4] on that is finite and can be inverted.

    The limits are those of the training data's files, `tf_diffseg.volumes.headers`.

    Args:
        affine: float32 or float64 [4, 4].
        largest_mm: as for `check_spacing`.

    Returns:
        `affine`.

    Raises:
        tf.errors.InvalidArgumentError: it is none of a scan of a body.
    """
    is_affine = tf.reduce_all(tf.math.is_finite(affine)) & tf.reduce_all(
        tf.equal(affine[3], [0.0, 0.0, 0.0, 1.0])
    )
    affine = require(
        affine,
        (
            is_affine,
            tf.strings.format(
                "expected a finite affine with the last row 0 0 0 1, got {}",
                affine,
                summarize=-1,
            ),
        ),
    )
    axes = affine[:3, :3]
    spacing_mm = check_spacing(tf.norm(axes, axis=0), "the affine", largest_mm)
    volume = tf.abs(tf.linalg.det(axes / spacing_mm))
    text = tf.strings.format(
        "expected an affine whose voxel axes span a volume, got {}",
        affine,
        summarize=-1,
    )
    return require(affine, (volume >= SMALLEST_UNIT_VOLUME, text))
