"""Draws affine maps in millimetres."""

import math

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import log_symmetric, split, symmetric


def affine_matrix(
    seed, rotation_degrees=0.0, zoom=0.0, shear=0.0, rotation_axes="xyz", extended=None
):
    """Draws an affine map that shears, then zooms, then rotates.

    Args:
        seed: stateless seed [2].
        rotation_degrees: largest rotation about each axis, in both directions.
        zoom: largest change of size, as a share; 0.1 gives factors of 1/1.1 to 1.1.
        shear: largest shear, mm along one axis per mm along another.
        rotation_axes: axes about which it rotates, of xyz.
        extended: float (3,), 0 for an axis along which there is one voxel, or else 1.
            The map keeps to the plane of such a slice. None if all are extended.

    Returns:
        float (3, 3), invertible.
    """
    seed_zoom, seed_movement = split(seed, 2)
    draws = symmetric(seed_movement, [6])
    largest = [
        math.radians(rotation_degrees) * (axis in rotation_axes) for axis in "xyz"
    ]
    angles = tf.constant(largest) * draws[:3]
    if extended is not None:  # A rotation about an axis moves the other two.
        angles *= tf.roll(extended, 1, axis=0) * tf.roll(extended, -1, axis=0)
    rotation = rotation_matrix(angles)
    xy, xz, yz = tf.unstack(shear * draws[3:])
    # The determinant is 1, so that no shear changes volumes.
    shearing = tf.stack([[1.0, xy, xz], [0.0, 1.0, yz], [0.0, 0.0, 1.0]])
    matrix = log_symmetric(seed_zoom, zoom) * rotation @ shearing
    if extended is None:
        return matrix
    stays = extended[:, tf.newaxis] * extended == 0.0
    return tf.where(stays, tf.eye(3), matrix)


def rotation_matrix(angles):
    """Makes the matrix, float (3, 3), of a rotation about x, then y, then z.

    `angles`, float (3,), are in radians and counterclockwise.
    """
    (sin_x, sin_y, sin_z), (cos_x, cos_y, cos_z) = (
        tf.unstack(tf.sin(angles)),
        tf.unstack(tf.cos(angles)),
    )
    about_x = tf.stack([[1.0, 0.0, 0.0], [0.0, cos_x, -sin_x], [0.0, sin_x, cos_x]])
    about_y = tf.stack([[cos_y, 0.0, sin_y], [0.0, 1.0, 0.0], [-sin_y, 0.0, cos_y]])
    about_z = tf.stack([[cos_z, -sin_z, 0.0], [sin_z, cos_z, 0.0], [0.0, 0.0, 1.0]])
    return about_z @ about_y @ about_x
