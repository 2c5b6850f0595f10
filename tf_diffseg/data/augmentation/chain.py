"""Applies all augmentation of a training case, in order."""

import functools

import tensorflow as tf

from tf_diffseg.data.augmentation.affine import affine_matrix
from tf_diffseg.data.augmentation.elastic import elastic_displacement
from tf_diffseg.data.augmentation.filters import blur, lower_resolution
from tf_diffseg.data.augmentation.flipping import flip
from tf_diffseg.data.augmentation.intensity import (
    add_noise,
    change_brightness,
    change_contrast,
    change_gamma,
    drop_channel,
)
from tf_diffseg.data.augmentation.options import OPTIONS, check_options
from tf_diffseg.data.augmentation.random_numbers import (
    happens,
    log_symmetric,
    split,
    symmetric,
    uniform,
)
from tf_diffseg.data.augmentation.resampling import cut, resample


def augment(example, seed, start=None, shape=None, **options):
    """Moves image and label together, then changes the intensities of the image.

    The order is that of nnU-Net: movement in one resampling, noise, blur, brightness,
    contrast, low resolution, gamma. Flips, which need no interpolation, come with the
    movement.

    Args:
        example: dict with `image` float (x, y, z, channels), `label` class ids
            (x, y, z) and `spacing_mm` float (3,). Other keys are returned unchanged.
        seed: stateless seed [2].
        start: int (3,), first voxel of the box to return; it may lie outside of the
            volume. Default 0.
        shape: three ints, voxels of that box. Default: the whole volume.
        **options: options of `OPTIONS`. If a probability is not given, it is 0; other
            options then have their defaults.

    Returns:
        The example with a new `image` and `label`, cut to the box.

    Raises:
        ValueError: an option is unknown or out of range.
    """
    check_options(options)
    values = {
        name: 0.0 if name.endswith("_probability") else option.default
        for name, option in OPTIONS.items()
    }
    # `flip_axes` alone turns mirroring on.
    values["flip_probability"] = OPTIONS["flip_probability"].default
    values |= options
    seed_movement, seed_flip, seed_intensity = split(seed, 3)
    image, label = _moved(example, seed_movement, start, shape, values)
    if values["flip_axes"]:
        image, label = flip(
            image, label, seed_flip, values["flip_axes"], values["flip_probability"]
        )
    image = _intensities_changed(image, example["spacing_mm"], seed_intensity, values)
    return {**example, "image": image, "label": label}


def _moved(example, seed, start, shape, values):
    image, label = example["image"], example["label"]
    spacing_mm = example["spacing_mm"]
    if start is None:
        start = tf.zeros([3], tf.int32)
    box = tf.shape(label) if shape is None else shape
    # A slice moves within its plane: beside it lies nothing, or another slice.
    extended = (tf.convert_to_tensor(box) > 1) & (tf.shape(label) > 1)
    extended = tf.cast(extended, tf.float32)
    seeds = split(seed, 5)
    is_affine = happens(seeds[0], values["affine_probability"])
    is_elastic = happens(seeds[1], values["elastic_probability"])

    def random_matrix_and_shift():
        matrix = affine_matrix(
            seeds[2],
            values["rotation_degrees"],
            values["zoom"],
            values["shear"],
            values["rotation_axes"],
            extended,
        )
        return matrix, extended * values["shift_mm"] * symmetric(seeds[3], [3])

    def random_displacement():
        points = values["elastic_mm"], values["elastic_spacing_mm"]
        displacement_mm = elastic_displacement(box, spacing_mm, seeds[4], *points)
        return tf.reshape(extended, [3, 1, 1, 1]) * displacement_mm

    def resampled():
        matrix, shift_mm = tf.cond(
            is_affine, random_matrix_and_shift, lambda: (tf.eye(3), tf.zeros([3]))
        )
        displacement_mm = None
        if values["elastic_probability"]:
            displacement_mm = tf.cond(
                is_elastic, random_displacement, lambda: tf.zeros([3, 1, 1, 1])
            )
        return resample(
            image, label, spacing_mm, matrix, shift_mm, displacement_mm, start, box
        )

    def unmoved():
        return (image, label) if shape is None else cut(image, label, start, box)

    if not (values["affine_probability"] or values["elastic_probability"]):
        return unmoved()
    new_image, new_label = tf.cond(is_affine | is_elastic, resampled, unmoved)
    static_shape = label.shape if shape is None else shape
    return (
        tf.ensure_shape(new_image, [*static_shape, image.shape[-1]]),
        tf.ensure_shape(new_label, static_shape),
    )


def _intensities_changed(image, spacing_mm, seed, values):
    """Applies each change that is drawn."""

    def with_noise(image, seed):
        seed_amount, seed_noise = split(seed, 2)
        return add_noise(image, seed_noise, values["noise"] * uniform(seed_amount))

    def blurred(image, seed):
        return blur(image, spacing_mm, values["blur_mm"] * uniform(seed))

    def brighter_or_darker(image, seed):
        return change_brightness(image, values["brightness"] * symmetric(seed))

    def of_other_contrast(image, seed):
        return change_contrast(image, log_symmetric(seed, values["contrast"]))

    def of_low_resolution(image, seed):
        factor = 1.0 + (values["low_resolution"] - 1.0) * uniform(seed)
        return lower_resolution(image, spacing_mm, factor)

    def of_other_gamma(image, seed):
        return change_gamma(image, log_symmetric(seed, values["gamma"]))

    changes = (
        ("noise", with_noise),
        ("blur", blurred),
        ("brightness", brighter_or_darker),
        ("contrast", of_other_contrast),
        ("low_resolution", of_low_resolution),
        ("gamma", of_other_gamma),
        ("channel_drop", drop_channel),
    )
    seed_draws, *seeds = split(seed, 1 + len(changes))
    draws = tf.unstack(uniform(seed_draws, [len(changes)]))
    shape = image.shape
    for (name, change), draw, seed_change in zip(changes, draws, seeds, strict=True):
        probability = values[f"{name}_probability"]
        if probability:  # The graph has only what can happen.
            image = tf.cond(
                draw < probability,
                functools.partial(change, image, seed_change),
                functools.partial(tf.identity, image),
            )
            image = tf.ensure_shape(image, shape)
    return image
