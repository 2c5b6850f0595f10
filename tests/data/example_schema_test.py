"""A case is serialized and parsed again, eagerly and in Dataset.map."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data import example_schema


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return {
        "uid": "case_é7",
        "image": rng.normal(size=(5, 4, 3, 2)).astype(np.float32),
        "label": rng.integers(0, 5, (5, 4, 3)),
        "spacing_mm": np.array([1.0, 1.25, 2.5], np.float32),
        "source_affine": rng.normal(size=(4, 4)).astype(np.float32),
        "source_label": rng.integers(0, 5, (7, 2, 6)).astype(np.uint8),
    }


def _assert_same_case(parsed, case):
    assert parsed["uid"].numpy().decode() == case["uid"]
    for key in ("image", "label", "spacing_mm", "source_affine", "source_label"):
        np.testing.assert_array_equal(parsed[key], case[key])
    np.testing.assert_array_equal(parsed["source_shape"], case["source_label"].shape)


def test_eager_round_trip_keeps_every_value_and_type(case):
    parsed = example_schema.parse_example(example_schema.encode_example(**case))
    assert tuple(parsed) == example_schema.KEYS
    _assert_same_case(parsed, case)
    assert parsed["image"].dtype == tf.float32
    for key in ("label", "source_label", "source_shape"):
        assert parsed[key].dtype == tf.int32


def test_round_trip_in_dataset_map_knows_the_ranks(case):
    dataset = tf.data.Dataset.from_tensors(example_schema.encode_example(**case))
    dataset = dataset.map(example_schema.parse_example)
    assert dataset.element_spec["image"].shape.rank == 4
    assert dataset.element_spec["label"].shape.rank == 3
    _assert_same_case(next(iter(dataset)), case)


def test_training_keys_do_not_need_the_source_grid(case):
    serialized = example_schema.encode_example(**case)
    example = tf.train.Example.FromString(serialized)
    for name in ("source_label/value", "source_label/shape", "source_affine"):
        del example.features.feature[name]
    parsed = example_schema.parse_example(
        example.SerializeToString(), example_schema.TRAINING_KEYS
    )
    assert tuple(parsed) == example_schema.TRAINING_KEYS
    np.testing.assert_array_equal(parsed["label"], case["label"])


@pytest.mark.parametrize(
    "num_classes, bytes_per_voxel", [(256, 1), (257, 2), (65536, 2), (65537, 4)]
)
def test_class_ids_take_the_smallest_type_for_all_classes(
    case, num_classes, bytes_per_voxel
):
    serialized = example_schema.encode_example(**case, num_classes=num_classes)
    feature = tf.train.Example.FromString(serialized).features.feature
    stored = feature["label/value"].bytes_list.value[0]
    assert len(stored) == bytes_per_voxel * case["label"].size
    case["label"][0, 0, 0] = num_classes - 1
    serialized = example_schema.encode_example(**case, num_classes=num_classes)
    _assert_same_case(example_schema.parse_example(serialized), case)


@pytest.mark.parametrize(
    "values, dtype",
    [
        ((0, 255), "uint8"),
        ((-1024, 3071), "int16"),
        ((0, 65535), "uint16"),
        ((0, 65536), "float32"),
        ((0, 0.5), "float32"),
    ],
)
def test_image_takes_the_smallest_type_that_is_exact(case, values, dtype):
    case["image"] = np.resize(np.float32(values), (5, 4, 3, 2))
    is_whole = values[1] == int(values[1])
    assert example_schema.smallest_image_dtype(*values, is_whole) == dtype
    serialized = example_schema.encode_example(**case, image_dtype=dtype)
    feature = tf.train.Example.FromString(serialized).features.feature
    stored = feature["image/value"].bytes_list.value[0]
    assert len(stored) == np.dtype(dtype).itemsize * case["image"].size
    parsed = example_schema.parse_example(serialized)
    assert parsed["image"].dtype == tf.float32
    _assert_same_case(parsed, case)


def test_an_inexact_type_is_refused(case):
    with pytest.raises(ValueError, match="image_dtype=int16 does not hold"):
        example_schema.encode_example(**case, image_dtype="int16")


def test_the_crop_box_is_kept_and_may_be_missing(case):
    parse, encode = example_schema.parse_example, example_schema.encode_example
    box = ((1, 2, 0), (3, 2, 6))
    parsed = parse(encode(**case, crop_box=box), ("crop_box",))
    np.testing.assert_array_equal(parsed["crop_box"], box)
    example = tf.train.Example.FromString(encode(**case))
    del example.features.feature["crop_box"], example.features.feature["image/dtype"]
    parsed = parse(example.SerializeToString())
    np.testing.assert_array_equal(parsed["crop_box"], [(0, 0, 0), (-1, -1, -1)])
    _assert_same_case(parsed, case)


def test_memory_order_does_not_change_the_bytes(case):
    fortran = {**case, "image": np.asfortranarray(case["image"])}
    encode = example_schema.encode_example
    assert encode(**fortran) == encode(**case)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("image", np.zeros((5, 4, 3)), r"image must have shape \(x, y, z, channels\)"),
        ("label", np.zeros((5, 4, 2), int), r"label must have shape \(5, 4, 3\)"),
        ("label", np.zeros((5, 4, 3)), "label must be integer class ids"),
        ("label", np.full((5, 4, 3), 256), "below the number of classes, 256, got 256"),
        ("source_label", -np.ones((5, 4, 3), int), "source_label must not be neg"),
        ("spacing_mm", (1.0, 1.0), r"spacing_mm must have shape \(3,\)"),
        ("source_affine", np.eye(3), r"source_affine must have shape \(4, 4\)"),
        ("crop_box", (1, 2, 3), r"crop_box must have shape \(2, 3\)"),
        ("image_dtype", "int8", "image_dtype must be one of"),
    ],
)
def test_wrong_arguments_are_named(case, key, value, message):
    with pytest.raises(ValueError, match=message):
        example_schema.encode_example(**{**case, key: value})


def test_unknown_key_is_named(case):
    serialized = example_schema.encode_example(**case)
    with pytest.raises(ValueError, match="got .'mask'"):
        example_schema.parse_example(serialized, ("image", "mask"))


def test_shard_file_name():
    name = example_schema.shard_file_name("phantom", "train", 3, 12)
    assert name == "phantom-train.tfrecord-00003-of-00012"
    with pytest.raises(ValueError, match=r"\[0, 12\), got 12"):
        example_schema.shard_file_name("phantom", "train", 12, 12)
