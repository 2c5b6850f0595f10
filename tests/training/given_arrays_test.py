"""Images and labels that do not fit are one error, whatever holds them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.eager_toys import IMAGE, LABEL, eager_model
from tests.training.toys import assert_equal

optimizers = keras.optimizers


def _raises_one_line(message):
    """`pytest.raises` for a ValueError of one line."""
    return pytest.raises(ValueError, match=rf"\A(?=.*{message}).*\Z")


def _dataset(*tensors):
    return tf.data.Dataset.from_tensor_slices(tensors).batch(2)


def _of_unknown_shape(*arrays):
    signature = tuple(
        tf.TensorSpec([None] * array.ndim, array.dtype.name) for array in arrays
    )
    return tf.data.Dataset.from_generator(
        lambda: iter([arrays]), output_signature=signature
    )


CHANGES = {
    "channels": (np.repeat(IMAGE, 2, axis=-1), LABEL, "image must have shape"),
    "no channels": (IMAGE[..., 0], LABEL, "image must have shape"),
    "no batch": (IMAGE, LABEL[0], "label must have shape"),
    "voxels": (IMAGE, LABEL[:, :, 1:], "label must have as many examples and voxels"),
    "one slice": (IMAGE, LABEL[..., :1], "label must have as many examples and voxe"),
}


SOURCES = {
    "arrays": lambda *pair: pair,
    "dict": lambda image, label: ({"image": image, "label": label},),
    "dataset": lambda *pair: (tf.data.Dataset.from_tensors(pair),),
    "dicts": lambda image, label: (
        tf.data.Dataset.from_tensors({"image": image, "label": label}),
    ),
    "unknown": lambda *pair: (_of_unknown_shape(*pair),),
}


@pytest.mark.parametrize(
    "change, source",
    [("channels", source) for source in SOURCES]
    + [("voxels", source) for source in SOURCES]
    + [("no channels", "arrays"), ("no batch", "dataset"), ("one slice", "dicts")]
    + [("one slice", "unknown")],
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_image_and_label_that_do_not_fit_are_one_error(change, source, method):
    *pair, message = CHANGES[change]
    with _raises_one_line(message):
        getattr(eager_model(), method)(*SOURCES[source](*pair), verbose=0)


@pytest.mark.parametrize(
    "change, source",
    [("channels", "arrays"), ("voxels", "dict"), ("one slice", "dataset")]
    + [("voxels", "unknown")],
)
def test_validation_data_that_does_not_fit_is_one_error(change, source):
    *pair, message = CHANGES[change]
    given = SOURCES[source](*pair)
    given = given if len(given) == 2 else given[0]
    is_known = source != "unknown"
    model = eager_model()
    with _raises_one_line(f"validation_data: {message}" if is_known else message):
        model.fit(IMAGE, LABEL, verbose=0, validation_data=given)
    assert not is_known or int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("source", ["arrays", "dict"])
@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_a_batch_that_does_not_fit_is_one_error(change, source, method):
    *pair, message = CHANGES[change]
    with _raises_one_line(message):
        getattr(eager_model(), method)(*SOURCES[source](*pair))


@pytest.mark.parametrize(
    "given",
    [
        lambda image: image,
        lambda image: {"image": image, "seed": np.zeros(4, np.int32)},
        _dataset,
        _of_unknown_shape,
    ],
    ids=["arrays", "dict", "dataset", "unknown"],
)
def test_predict_names_an_image_of_other_channels(given):
    with _raises_one_line("image must have shape .* 1\\), got"):
        eager_model().predict(given(np.repeat(IMAGE, 3, axis=-1)), verbose=0)


def test_no_examples_are_one_error():
    model = eager_model()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="image must have an example, got"):
            call(IMAGE[:0], LABEL[:0], verbose=0)
    with pytest.raises(ValueError, match="image must have an example, got"):
        model.predict(IMAGE[:0], verbose=0)


def test_a_shape_that_only_a_graph_sees_is_one_error_too():
    image, label, message = CHANGES["voxels"]
    with _raises_one_line(rf"{message}.*4, 4, 3, 4|{message}.*4 4 3 4"):
        eager_model(compiled={}).fit(_of_unknown_shape(image, label), verbose=0)


def test_a_missing_label_is_named():
    model = eager_model()
    for given in (IMAGE, {"image": IMAGE}, _dataset(IMAGE)):
        with pytest.raises(ValueError, match="got no label"):
            model.fit(given, verbose=0)


@pytest.mark.parametrize(
    "weights",
    [
        {"class_weight": {0: 1.0, 1: 5.0}},
        {"sample_weight": np.ones(4)},
        {"validation_data": (IMAGE, LABEL, np.ones(4))},
    ],
    ids=["class_weight", "sample_weight", "validation"],
)
@pytest.mark.parametrize("source", [(IMAGE, LABEL), (_dataset(IMAGE, LABEL),)])
def test_weights_are_refused_at_the_call(weights, source):
    with pytest.raises(ValueError, match="not supported"):
        eager_model().fit(*source, verbose=0, **weights)
    with pytest.raises(ValueError, match="sample_weight is not supported"):
        eager_model().evaluate(*source, verbose=0, sample_weight=np.ones(4))


def _batches(image, label):
    """Yields batches that cannot be checked before they come."""
    for start in (0, 2):
        yield image[start : start + 2], label[start : start + 2]


def _trained(fail=None):
    """Weights and loss after three steps, and after a call that may fail before."""
    model = eager_model(optimizers.Adam(1e-2), compiled={}, num_classes=3)
    if fail:
        with pytest.raises(ValueError, match="label|image"):
            fail(model)
    model.fit(_batches(IMAGE, LABEL), steps_per_epoch=2, verbose=0)
    scores = model.train_on_batch(IMAGE, LABEL, return_dict=True)
    assert int(model.optimizer.iterations) == 3
    return [*model.get_weights(), scores["loss"]]


@pytest.fixture(scope="module")
def undisturbed():
    """What `_trained` gives without a failure."""
    return _trained()


@pytest.mark.parametrize(
    "fail",
    [
        lambda model: model.fit(_batches(IMAGE, np.eye(3)[LABEL]), verbose=0),
        pytest.param(
            lambda model: model.train_on_batch(IMAGE, LABEL + 9),
            marks=pytest.mark.slow,
        ),
        lambda model: model.evaluate(_batches(IMAGE[..., :2, :], LABEL), verbose=0),
    ],
    ids=["one-hot", "on_batch", "evaluate"],
)
def test_after_a_call_that_failed_training_is_that_of_a_new_model(fail, undisturbed):
    assert_equal(_trained(fail), undisturbed)


def test_an_image_in_a_dict_beside_its_label_is_taken():
    one, other = eager_model(optimizers.SGD(0.1)), eager_model(optimizers.SGD(0.1))
    other.set_weights(one.get_weights())
    one.fit({"image": IMAGE}, LABEL, shuffle=False, verbose=0)
    other.fit(IMAGE, LABEL, shuffle=False, verbose=0)
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])
    scores = one.evaluate({"image": IMAGE}, LABEL, verbose=0)
    assert scores == one.evaluate(IMAGE, LABEL, verbose=0)
