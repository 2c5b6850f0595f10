"""The box holds all foreground, and the way back is exact."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.preprocessing import foreground


def _boxed(begin, size, shape=(9, 8, 7), outside=-1000.0):
    image = np.full((*shape, 1), outside, np.float32)
    stop = np.add(begin, size)
    tissue = np.random.default_rng(0).normal(50.0, 9.0, (*size, 1))
    image[begin[0] : stop[0], begin[1] : stop[1], begin[2] : stop[2]] = tissue
    return image


@pytest.mark.parametrize(
    "begin, size",
    [((2, 3, 1), (4, 2, 5)), ((0, 0, 0), (9, 8, 7)), ((8, 0, 6), (1, 1, 1))],
)
def test_box_is_the_smallest_around_the_foreground(begin, size):
    image = _boxed(begin, size)
    np.testing.assert_array_equal(foreground.foreground_box(image), [begin, size])


def test_box_holds_every_channel():
    image = np.concatenate(
        [_boxed((1, 1, 1), (1, 1, 1)), _boxed((4, 5, 6), (1, 1, 1), outside=0.0)], -1
    )
    box = foreground.foreground_box(image)
    np.testing.assert_array_equal(box, [(1, 1, 1), (4, 5, 6)])


def test_constant_image_is_kept_whole():
    box = foreground.foreground_box(np.full((3, 4, 5, 2), 7.0, np.float32))
    np.testing.assert_array_equal(box, [(0, 0, 0), (3, 4, 5)])


@pytest.mark.parametrize(
    "box",
    [((1, 2, 0), (3, 2, 7)), foreground.WHOLE_BOX, ((1, 2, 0), (-1, 3, -1))],
)
def test_uncrop_undoes_crop(box):
    volume = np.random.default_rng(0).normal(size=(9, 8, 7, 2)).astype(np.float32)
    cropped = foreground.crop_to_box(volume, box)
    size = foreground.box_size(box, volume.shape[:3])
    np.testing.assert_array_equal(tf.shape(cropped)[:3], size)
    restored = foreground.uncrop_from_box(cropped, box, volume.shape[:3], (1.0, 2.0))
    begin, stop = np.array(box[0]), np.array(box[0]) + size
    inside = np.zeros(volume.shape[:3], bool)
    inside[begin[0] : stop[0], begin[1] : stop[1], begin[2] : stop[2]] = True
    expected = np.where(inside[..., None], volume, np.float32((1.0, 2.0)))
    np.testing.assert_array_equal(restored, expected)


def test_world_positions_stay():
    affine = np.array([[0, -2, 0, 5], [1, 0, 0.5, -3], [0, 0, 3, 1], [0, 0, 0, 1.0]])
    cropped = foreground.crop_affine_to_box(affine, ((4, 3, 2), (-1, -1, -1)))
    np.testing.assert_allclose(cropped[:3, 3], (affine @ [4, 3, 2, 1])[:3])
    np.testing.assert_array_equal(cropped[:3, :3], affine[:3, :3])
