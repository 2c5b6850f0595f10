"""Options of an inference, and what they refuse."""

import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.inference import PostProcessing
from tf_diffseg.runs.inference_options import InferenceOptions


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
        ({"sampler": "euler"}, "sampler must be one of ddim, ddpm, got 'euler'"),
        ({"num_timesteps": 1}, "num_timesteps must be at least 2, got 1"),
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"seed": 2**31}, "seed must be at most 2147483647"),
        ({"overlap": 1.0}, "overlap must be less than 1, got 1.0"),
        (
            {"overlap": float("nan")},
            "overlap must be a finite number of 32 bits, got nan",
        ),
        ({"early_exit": -0.1}, "early_exit must be at least 0.0, got -0.1"),
        ({"early_exit": 1.5}, "early_exit must be less than 1, got 1.5"),
        (
            {"window_shape": (8, 8)},
            r"window_shape must be 3 whole numbers, got \(8, 8\)",
        ),
        ({"window_shape": ["8", "a", "8"]}, "3 whole numbers, got \\['8', 'a', '8'\\]"),
        (
            {"window_shape": (8, 0, 8)},
            r"window_shape must be at least 1, got \(8, 0, 8\)",
        ),
        ({"window_shape": (16, 16.7, 16)}, r"3 whole numbers, got \(16, 16.7, 16\)"),
        ({"window_shape": "8,8,8"}, "3 whole numbers, got '8,8,8'"),
        ({"window_shape": 8}, "window_shape must be 3 whole numbers, got 8"),
        ({"num_samples": "8"}, "num_samples must be a whole number, got '8'"),
        ({"num_samples": 2.5}, "num_samples must be a whole number, got 2.5"),
        ({"num_samples": None}, "num_samples must be a whole number, got None"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"overlap": "half"}, "overlap must be a finite number of 32 bits, got 'half'"),
        (
            {"early_exit": [0.1]},
            r"early_exit must be a finite number of 32 bits, got \[0.1\]",
        ),
        ({"fill_holes": "no"}, "fill_holes must be true or false, got 'no'"),
        ({"flip_axes": None}, "flip_axes must be text, got None"),
        ({"flip_axes": ("x", "y")}, "flip_axes must be text, got"),
        ({"sampler": 1}, "sampler must be one of ddim, ddpm, got 1"),
        ({"flip_axes": "xx"}, "flip_axes must be of xyz, got 'xx'"),
        ({"flip_axes": "w"}, "flip_axes must be of xyz, got 'w'"),
        ({"min_volume_ml": -1.0}, "min_volume_ml must be at least 0.0, got -1.0"),
    ],
)
def test_values_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message):
        InferenceOptions(**values)


def test_numbers_of_numpy_are_numbers():
    options = InferenceOptions(
        num_samples=np.int64(2), overlap=np.float32(0.25), window_shape=np.full(3, 8)
    )
    assert options.window_shape == (8, 8, 8)
    assert InferenceOptions(overlap=0, fill_holes=np.True_).given()


@pytest.mark.parametrize(
    "given",
    [
        ["kidney:2", "left:1"],
        "kidney:2,left:1",
        {"kidney": 2, "left": np.int64(1)},
        {1: 2, "2": 1},
        ["1:2", " left : 1 "],
    ],
)
def test_components_are_kept_by_name_or_id(given):
    options = InferenceOptions(keep_components=given)
    names = ["background", "kidney", "left"]
    assert options.post_processing(names).keep_components == {1: 2, 2: 1}


def test_a_name_goes_before_an_id():
    names = ["background", "2", "1"]
    options = InferenceOptions(keep_components={"2": 3})
    assert options.post_processing(names).keep_components == {1: 3}
    with_colon = InferenceOptions(keep_components=["a:b:2"])
    assert with_colon.post_processing(["", "a:b"]).keep_components == {1: 2}


@pytest.mark.parametrize(
    "given, message",
    [
        (["kidney"], "must be class:number, as kidney:2, got 'kidney'"),
        (["kidney:two"], "must be class:number, as kidney:2, got 'kidney:two'"),
        (["kidney:0"], "a whole number of at least 1 for kidney, got 0"),
        ({"kidney": 1.5}, "a whole number of at least 1 for kidney, got 1.5"),
        (["kidney:1", "kidney:2"], "keep_components names kidney twice"),
        (3, "must be like kidney:2,liver:1, got 3"),
        (
            ["kindey:1"],
            "names no class .* kindey:1, expected one of kidney, left, or an id of 1",
        ),
        (["background:1"], "names no class .* background:1"),
        (["0:1"], "names no class .* 0:1"),
        (["3:1"], "names no class .* 3:1, .* an id of 1 to 2"),
        (["kidney:1", "1:2"], "keep_components names kidney twice, by name and id"),
    ],
)
def test_components_of_what_is_no_class_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        options = InferenceOptions(keep_components=given)
        options.post_processing(["background", "kidney", "left"])
