"""All augmentation of a case together."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import OPTIONS, augment

SHAPE = (12, 14, 10)
CERTAIN = {name: 1.0 for name in OPTIONS if name.endswith("_probability")}
INTENSITY = ("noise", "blur", "brightness", "contrast", "low_resolution", "gamma")


def _example(channels=2):
    generator = np.random.default_rng(0)
    return {
        "uid": tf.constant("a"),
        "image": tf.constant(generator.normal(size=(*SHAPE, channels)), tf.float32),
        "label": tf.constant(generator.integers(0, 4, SHAPE), tf.int32),
        "spacing_mm": tf.constant([1.0, 1.0, 2.0]),
    }


def test_no_options_give_the_case_itself():
    example = _example()
    new = augment(example, [1, 2])
    assert new["image"] is example["image"] and new["label"] is example["label"]


def test_zero_ranges_change_nothing():
    example = _example()
    nothing = {
        name: option.metadata["at_least"]
        for name, option in OPTIONS.items()
        if isinstance(option.default, float) and not name.endswith("_probability")
    }
    have_ranges = (*INTENSITY, "affine", "elastic", "flip")
    everything = {f"{name}_probability": 1.0 for name in have_ranges} | nothing
    new = augment(example, [1, 2], **everything)
    np.testing.assert_allclose(new["image"], example["image"], atol=1e-5)
    np.testing.assert_array_equal(new["label"], example["label"])
    assert new["uid"] is example["uid"]


@pytest.mark.parametrize("name", [*INTENSITY, "channel_drop"])
def test_changes_of_intensity_leave_the_label_alone(name):
    example = _example()
    new = augment(example, [3, 4], **{f"{name}_probability": 1.0})
    assert np.abs(new["image"] - example["image"]).max() > 1e-3
    assert new["label"] is example["label"]


@pytest.mark.parametrize("name", ["affine", "noise"])
def test_the_probability_is_how_often_a_change_happens(name):
    example = _example()

    @tf.function
    def is_changed(seed):
        new = augment(example, seed, **{f"{name}_probability": 0.3})
        return tf.reduce_any(tf.abs(new["image"] - example["image"]) > 1e-6)

    count = sum(bool(is_changed(tf.constant([5, index]))) for index in range(60))
    assert 8 <= count <= 28  # 18 are expected, with a standard deviation of 3.5.


def test_label_and_image_move_together_and_labels_stay_labels():
    example = _example(channels=1)
    ball = np.square(np.indices(SHAPE).T - (4.0, 7.0, 5.0)).sum(axis=-1).T < 12.0
    example |= {
        "image": tf.constant(ball[..., np.newaxis], tf.float32),
        "label": tf.constant(3 * ball, tf.int32),
    }
    moved = 0
    for index in range(5):
        new = augment(
            example,
            [3, index],
            affine_probability=1.0,
            elastic_probability=1.0,
            flip_axes="xz",
            rotation_degrees=30.0,
        )
        found = new["label"].numpy() == 3
        assert set(np.unique(new["label"])) <= {0, 3}
        assert ((new["image"][..., 0].numpy() > 0.5) == found).mean() > 0.97
        moved += (found != ball).mean() > 0.01
    assert moved == 5


def test_eager_and_map_agree_and_seeds_matter():
    example = _example()
    options = {**CERTAIN, "flip_axes": "x", "flip_probability": 0.5}
    box = {"start": tf.constant([1, -1, 2]), "shape": (9, 10, 11)}
    dataset = tf.data.Dataset.range(2).map(
        lambda index: augment(example, tf.stack([5, index]), **box, **options)
    )
    assert dataset.element_spec["image"].shape == (9, 10, 11, 2)
    assert dataset.element_spec["label"].shape == (9, 10, 11)
    mapped = list(dataset)
    for index, new in enumerate(mapped):
        seed = tf.constant([5, index], tf.int64)
        eager = augment(example, seed, **box, **options)
        np.testing.assert_allclose(new["image"], eager["image"], atol=1e-4)
        np.testing.assert_array_equal(new["label"], eager["label"])
    assert np.abs(mapped[0]["image"] - mapped[1]["image"]).max() > 0.1


def test_a_box_is_cut_without_a_movement():
    example = _example()
    new = augment(example, [0, 0], tf.constant([2, 3, 1]), (4, 5, 6))
    np.testing.assert_array_equal(new["image"], example["image"][2:6, 3:8, 1:7])
    np.testing.assert_array_equal(new["label"], example["label"][2:6, 3:8, 1:7])


def test_volumes_of_unknown_shape_stay_of_unknown_shape():
    example = _example()
    specs = {key: tf.TensorSpec(None, value.dtype) for key, value in example.items()}
    specs["image"] = tf.TensorSpec([None] * 4, tf.float32)
    specs["label"] = tf.TensorSpec([None] * 3, tf.int32)
    specs["spacing_mm"] = tf.TensorSpec([3], tf.float32)
    function = tf.function(
        lambda e: augment(e, [1, 2], **CERTAIN, flip_axes="y"), input_signature=[specs]
    )
    assert function(example)["image"].shape == (*SHAPE, 2)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"flip_axes": "xw"}, "flip_axes must be of xyz, got 'xw'"),
        ({"noise_probability": 1.5}, "noise_probability must be at most 1.0"),
        ({"zoom": -0.1}, "zoom must be at least 0.0, got -0.1"),
        ({"low_resolution": 0.5}, "low_resolution must be at least 1.0"),
        ({"rotation": 3.0}, r"no option \['rotation'\], it has \['affine_prob"),
    ],
)
def test_wrong_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        augment(_example(), [0, 0], **options)


def test_movement_keeps_the_ignore_label_and_adds_background():
    """The label takes its nearest voxel, so an ignored voxel gives no class."""
    label = np.random.default_rng(0).choice([0, 1, 9], SHAPE).astype(np.int32)
    example = _example(channels=1) | {"label": tf.constant(label)}
    options = {
        "affine_probability": 1.0,
        "rotation_degrees": 45.0,
        "elastic_probability": 1.0,
        "flip_axes": "xyz",
    }
    for seed in range(3):
        moved = augment(example, tf.constant([seed, 0], tf.int64), **options)
        assert set(np.unique(moved["label"])) == {0, 1, 9}
    example["label"] = tf.fill(label.shape, 9)
    moved = augment(example, tf.constant([0, 0], tf.int64), **options)
    assert set(np.unique(moved["label"])) == {0, 9}


@pytest.mark.parametrize("thickness", [1, 5])
@pytest.mark.parametrize("flat", [0, 2])
def test_a_slice_moves_within_its_plane(flat, thickness):
    """Also in a thicker patch, whose other slices are padding."""
    shape = np.insert([12, 14], flat, 1)
    box = np.insert([12, 14], flat, thickness)
    start = np.insert([0, 0], flat, -(thickness // 2))
    case = {
        "image": tf.random.stateless_uniform([*shape, 1], [1, 2]),
        "label": tf.ones(shape, tf.int32),
        "spacing_mm": tf.constant(np.insert([1.0, 1.0], flat, 0.1), tf.float32),
    }
    ranges = {"rotation_degrees": 90.0, "shear": 0.5, "shift_mm": 2.0, "zoom": 0.5}
    kept = []
    for seed in range(6):
        moved = augment(
            case,
            [3, seed],
            tf.constant(start, tf.int32),
            tuple(int(size) for size in box),
            affine_probability=1.0,
            elastic_probability=1.0,
            **ranges,
        )
        slices = np.moveaxis(moved["label"].numpy(), flat, 0)
        others = np.delete(slices, thickness // 2, axis=0)
        assert not others.any()
        image = np.moveaxis(moved["image"].numpy(), flat, 0)[thickness // 2]
        assert not np.array_equal(image, np.moveaxis(case["image"], flat, 0)[0])
        kept.append(slices[thickness // 2].mean())
    # With any movement along the thin axis nothing of the slice would be left.
    assert min(kept) > 0.3


def test_a_slice_of_a_volume_shows_that_slice():
    """Each slice has one intensity, so that another slice would show."""
    image = np.zeros((10, 10, 9, 1), np.float32) + np.arange(9.0)[:, np.newaxis]
    case = {
        "image": tf.constant(image, tf.float32),
        "label": tf.zeros([10, 10, 9], tf.int32),
        "spacing_mm": tf.constant([1.0, 1.0, 3.0]),
    }
    everything = {"affine_probability": 1.0, "elastic_probability": 1.0}
    for seed in range(4):
        start, shape = tf.constant([2, 2, 5]), (6, 6, 1)
        moved = augment(case, [4, seed], start, shape, **everything)["image"]
        assert set(np.unique(np.round(moved[1:5, 1:5], 4))) <= {0.0, 5.0}
        assert np.mean(np.round(moved, 4) == 5.0) > 0.5
