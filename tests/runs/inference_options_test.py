"""Options of an inference, and what they refuse."""

import re

import numpy as np
import pytest

from tf_diffseg.diffusion.samplers import SAMPLERS
from tf_diffseg.errors import InputError
from tf_diffseg.inference import PostProcessing
from tf_diffseg.runs.inference_options import InferenceOptions


def test_given_names_the_options_that_are_not_as_by_default():
    options = InferenceOptions()
    assert options.given() == [] and options.flipped_axes == ()
    assert not options.post_processing().is_active
    options = InferenceOptions(
        num_samples=8, flip_axes="zx", fill_holes=True, min_volume_ml=0.1
    )
    expected = ["num_samples", "flip_axes", "fill_holes", "min_volume_ml"]
    assert options.given() == expected
    assert options.flipped_axes == (2, 0)
    assert options.post_processing() == PostProcessing(True, 0.1, False)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("sampler", "euler", f"one of {', '.join(SAMPLERS)}, got 'euler'"),
        ("num_timesteps", 1, "at least 2, got 1"),
        ("num_samples", 0, "at least 1, got 0"),
        ("num_samples", None, "a whole number, got None"),
        ("batch_size", 0, "at least 1, got 0"),
        ("seed", 2**31, "at most 2147483647"),
        ("overlap", 1.0, "less than 1, got 1.0"),
        ("overlap", float("nan"), "a finite number of 32 bits, got nan"),
        ("early_exit", -0.1, "at least 0.0, got -0.1"),
        ("early_exit", 1.5, "less than 1, got 1.5"),
        ("window_shape", (8, 8), "3 whole numbers, got (8, 8)"),
        ("window_shape", (8, 0, 8), "at least 1, got (8, 0, 8)"),
        ("window_shape", (16, 16.7, 16), "3 whole numbers, got (16, 16.7, 16)"),
        ("window_shape", "8,8,8", "3 whole numbers, got '8,8,8'"),
        ("fill_holes", "no", "true or false, got 'no'"),
        ("flip_axes", None, "text, got None"),
        ("flip_axes", "xx", "of xyz, got 'xx'"),
        ("min_volume_ml", -1.0, "at least 0.0, got -1.0"),
        ("resample", "on", "one of auto, never, got 'on'"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(name, value, message):
    with pytest.raises(InputError, match=re.escape(f"{name} must be {message}")):
        InferenceOptions(**{name: value})


def test_numpy_values_are_allowed():
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
def test_classes_whose_components_are_kept_have_names_or_ids(given):
    options = InferenceOptions(keep_components=given)
    names = ["background", "kidney", "left"]
    assert options.post_processing(names).keep_components == {1: 2, 2: 1}


def test_the_name_of_a_class_takes_precedence_over_an_id():
    names = ["background", "2", "1"]
    options = InferenceOptions(keep_components={"2": 3})
    assert options.post_processing(names).keep_components == {1: 3}
    with_colon = InferenceOptions(keep_components=["a:b:2"])
    assert with_colon.post_processing(["", "a:b"]).keep_components == {1: 2}


@pytest.mark.parametrize(
    "given, message",
    [
        (["kidney"], "must be class:number, like kidney:2, got 'kidney'"),
        (["kidney:two"], "must be class:number, like kidney:2, got 'kidney:two'"),
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
def test_bad_component_counts_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        options = InferenceOptions(keep_components=given)
        options.post_processing(["background", "kidney", "left"])
