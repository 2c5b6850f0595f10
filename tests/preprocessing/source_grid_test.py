"""The grid of a file, of an example and of a resampled scan."""

import numpy as np
import pytest

from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor


def test_an_example_has_the_grid_of_its_file():
    example = {
        "source_shape": [8, 7, 6],
        "source_affine": np.diag([2.0, 3.0, 4.0, 1.0]),
        "crop_box": [[1, 0, 0], [4, 7, 6]],
        "image": None,
    }
    source = SourceGrid.of_example(example)
    assert source.shape == [8, 7, 6] and source.crop_box == [[1, 0, 0], [4, 7, 6]]
    np.testing.assert_array_equal(source.affine, example["source_affine"])


def test_a_box_is_needed_only_where_something_was_cropped():
    whole = SourceGrid([8, 7, 6], np.eye(4))
    np.testing.assert_array_equal(whole.box(is_cropped=False), [[0] * 3, [-1] * 3])
    with pytest.raises(ValueError, match="crop_box must be given"):
        whole.box(is_cropped=True)


def test_a_thin_axis_keeps_a_voxel():
    preprocessor = VolumePreprocessor(spacing_mm=(4.0, 4.0, 4.0))
    size, resampled = preprocessor.grid_sizes(SourceGrid((8, 7, 1), np.eye(4)))
    np.testing.assert_array_equal(size, [8.0, 7.0, 1.0])
    np.testing.assert_array_equal(resampled, [2.0, 2.0, 1.0])
