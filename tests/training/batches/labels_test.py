import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import assert_equal, toy_model, toy_volumes
from tf_diffseg.training.batches.batch import image_and_label
from tf_diffseg.training.batches.label_check import checked_data
from tf_diffseg.training.batches.labels import LabelIds, wrong_label_message

FLOATS = [tf.float16, tf.bfloat16, tf.float32, tf.float64]
IDS = LabelIds(3, "num_classes=3", ignore_label=255)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("graph", [False, True])
def test_floats_are_rounded_within_a_thousandth(dtype, graph):
    exact = np.array([0, 1, 2, 255, 0, 1])
    given = exact + [0.0009, -0.0009, 0.0, 0.0009, -0.0009, 0.0]
    checked = tf.function(IDS.checked) if graph else IDS.checked
    found = checked(tf.cast(tf.constant(given), dtype))
    assert found.dtype == tf.int32
    np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize(
    "value, shown",
    [(0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (3.0, "3")]
    + [(-1.0, "-1"), (1.25, "1.25"), (2.0**20, "1048576"), (0.9921875, "0.9921875")],
)
@pytest.mark.parametrize("graph", [False, True])
def test_other_floats_are_refused_by_their_value(dtype, value, shown, graph):
    checked = tf.function(IDS.checked) if graph else IDS.checked
    if dtype == tf.float16 and value > 65504:
        shown = "inf"
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        checked(tf.cast(tf.constant([1.0, value], tf.float64), dtype))
    number = wrong_label_message(caught.value).rpartition("got ")[2]
    assert float(number) == float(shown) or number == shown


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int8, tf.int16, tf.int64, tf.uint64])
def test_whole_numbers_of_any_type(dtype):
    found = IDS.checked(tf.constant([0, 1, 2], dtype))
    np.testing.assert_array_equal(found, [0, 1, 2])


@pytest.mark.parametrize(
    "value, dtype",
    [(2**32, "int64"), (2**32 + 1, "int64"), (-(2**32), "int64")]
    + [(2**63, "uint64"), (2**64 - 1, "uint64")],
)
def test_wide_numbers_do_not_wrap_around(value, dtype):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"got {value}'"):
        IDS.checked(tf.constant([value], dtype))


def test_truth_values_are_ids():
    found = IDS.checked(tf.constant([True, False]))
    np.testing.assert_array_equal(found, [1, 0])


def test_few_of_many_wrong_values_are_shown():
    with pytest.raises(tf.errors.InvalidArgumentError, match="got 3, 4, 5, 6, 7, ..."):
        IDS.checked(tf.range(50))


def test_text_is_no_label():
    with pytest.raises(ValueError, match="whole numbers, got string"):
        IDS.checked(tf.constant(["1"]))


def test_a_batch_has_no_weights():
    image, label = toy_volumes()
    with pytest.raises(ValueError, match="sample weights are not supported"):
        image_and_label((image, label, label), 1, 3)


def test_a_batch_has_whole_numbers():
    soft = tf.constant([0.0, 0.99999, 1.99998, 2.0], shape=[1, 2, 2, 1])
    image = tf.zeros([1, 2, 2, 1, 1])
    _, label = image_and_label((image, soft), 1, 3)
    np.testing.assert_array_equal(tf.reshape(label, [-1]), [0, 1, 2, 2])


def _model(jit_compile=False, num_classes=3, **arguments):
    optimizer = keras.optimizers.SGD(1e-2)
    compiled = {"jit_compile": jit_compile, "run_eagerly": not jit_compile}
    return toy_model(
        optimizer, num_classes, compiled, strategy="supervised", **arguments
    )


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_soft_labels_train_and_score_as_whole_ones(dtype):
    image, label = toy_volumes()
    soft = label * np.array(0.9999)
    soft = (label if dtype == "float16" else soft).astype(dtype)

    def results(label):
        model = _model()
        losses = model.fit(image, label, verbose=0, shuffle=False).history
        scores = model.evaluate(image, label, verbose=0, return_dict=True)
        return losses["loss"], scores

    assert results(soft) == results(label)


class _Batches(keras.utils.PyDataset):
    def __init__(self, *batch):
        super().__init__()
        self.batch = batch
        self.told = []

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch

    def on_epoch_begin(self):
        self.told.append("begin")

    def on_epoch_end(self):
        self.told.append("end")


SOURCES = {
    "arrays": lambda image, label: (image, label),
    "tensors": lambda image, label: (tf.constant(image), tf.constant(label)),
    "dict": lambda image, label: ({"image": image, "label": label},),
    "tf.data": lambda *pair: (tf.data.Dataset.from_tensors(pair),),
    "tf.data of dicts": lambda image, label: (
        tf.data.Dataset.from_tensors({"image": image, "label": label}),
    ),
    "PyDataset": lambda *pair: (_Batches(*pair),),
    "generator": lambda *pair: ((pair for _ in range(1)),),
}


# XLA drops assertions, so labels are checked before the step.
@pytest.mark.parametrize(
    "source, jit_compile",
    [(source, False) for source in SOURCES]
    + [("tf.data", True)]
    + [
        pytest.param(source, True, marks=pytest.mark.slow)
        for source in ("arrays", "PyDataset", "generator")
    ],
)
def test_a_wrong_label_is_one_error_with_its_value(source, jit_compile):
    image, label = toy_volumes()
    wrong = np.where(label == 2, 255, label)
    model = _model(jit_compile)
    message = r"label must .* 0 to 2 \(num_classes=3\), .* got 255$"
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            method(*SOURCES[source](image, wrong), verbose=0)
    assert int(model.optimizer.iterations) == 0
    assert_equal(model.get_weights(), _model(jit_compile).get_weights())
    model.fit(*SOURCES[source](image, label), verbose=0)


@pytest.mark.parametrize("source", ["PyDataset", "generator"])
def test_batches_of_a_source_are_checked_as_they_come(source):
    image, label = toy_volumes()
    for data in SOURCES[source](image, label):
        found, _ = next(iter(checked_data(data, IDS, asserts=False)))
        np.testing.assert_array_equal(found, image)
    for data in SOURCES[source](image, label + 1):
        with pytest.raises(ValueError, match="got 3$"):
            next(iter(checked_data(data, IDS, asserts=False)))


def test_batches_without_a_label_and_epochs_are_passed_on():
    image, label = toy_volumes()
    (found,) = checked_data((each for each in [image]), IDS, asserts=False)
    np.testing.assert_array_equal(found, image)
    batches = _Batches(image, label)
    checked = checked_data(batches, IDS, asserts=False)
    checked.on_epoch_begin()
    checked.on_epoch_end()
    assert batches.told == ["begin", "end"]


def test_wrong_labels_to_validate_on_are_refused_before_the_first_step():
    image, label = toy_volumes()
    model = _model()
    with pytest.raises(ValueError, match=r"got 3$"):
        model.fit(image, label, validation_data=(image, label + 1), verbose=0)
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("wrong", [3, 255, -1, 0.5, np.nan])
def test_wrong_labels_of_regions(wrong):
    image, label = toy_volumes()
    label = np.where(label == 2, wrong, label)
    model = _model(num_classes=2, regions=[[1, 2], [2]])
    message = r"0 to 2 \(the largest id in regions is 2\).* got " + f"{wrong:g}$"
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            method(image, label, verbose=0)


@pytest.mark.parametrize("use_ema", [False, True])
def test_a_traced_step_that_fails_on_its_labels_is_not_counted(use_ema):
    image, label = toy_volumes()
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=use_ema)
    model = toy_model(optimizer, 3, strategy="supervised")
    before = model.get_weights()
    data = tf.data.Dataset.from_tensors((image, label + 1))
    with pytest.raises(ValueError, match=r"got 3$"):
        model.fit(data, verbose=0)
    assert int(optimizer.iterations) == 0
    assert_equal(model.get_weights(), before)


def test_wrong_labels_under_a_strategy():
    image, label = toy_volumes()
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = _model()
    data = tf.data.Dataset.from_tensors((image, label + 1))
    with pytest.raises(ValueError, match=r"got 3$"):
        model.fit(data, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 0
