"""Options of an inference, and what they refuse."""

import pytest

from data_tools.errors import InputError
from experiments.inference_options import InferenceOptions
from tf_diffseg.inference import PostProcessing


def test_by_default_nothing_is_asked_for():
    options = InferenceOptions()
    assert options.given() == [] and options.flipped_axes == ()
    assert not options.post_processing().is_active


def test_what_is_given_is_named():
    options = InferenceOptions(
        num_samples=8, flip_axes="zx", fill_holes=True, min_volume_ml=0.1
    )
    expected = ["num_samples", "flip_axes", "fill_holes", "min_volume_ml"]
    assert options.given() == expected
    assert options.flipped_axes == (2, 0)
    assert options.post_processing() == PostProcessing(True, 0.1, False)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"sampler": "euler"}, "sampler must be of ddim, ddpm, got 'euler'"),
        ({"num_timesteps": 1}, "num_timesteps must be at least 2, got 1"),
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"seed": 2**31}, "seed must be at most 2147483647"),
        ({"overlap": 1.0}, "overlap must be less than 1, got 1.0"),
        ({"overlap": float("nan")}, "overlap must be at least 0.0, got nan"),
        ({"early_exit": -0.1}, "early_exit must be at least 0.0, got -0.1"),
        ({"early_exit": 1.5}, "early_exit must be less than 1, got 1.5"),
        ({"window_shape": (8, 8)}, "window_shape must be three sizes x,y,z, got 8,8"),
        ({"window_shape": ["8", "a", "8"]}, "three sizes x,y,z, got 8,a,8"),
        ({"window_shape": (8, 0, 8)}, "three sizes x,y,z, got 8,0,8"),
        ({"flip_axes": "xx"}, "flip_axes must be of xyz, got 'xx'"),
        ({"flip_axes": "w"}, "flip_axes must be of xyz, got 'w'"),
        ({"min_volume_ml": -1.0}, "min_volume_ml must be at least 0.0, got -1.0"),
    ],
)
def test_values_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message):
        InferenceOptions(**values)
