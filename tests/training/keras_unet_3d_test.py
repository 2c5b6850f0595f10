"""Each call of a Keras model works, or is refused at once by one error."""

import copy
import csv
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import assert_equal, toy_model, toy_volumes
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.training_checks import check_compile

optimizers = keras.optimizers
RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 2, [4, 4, 4, 4])
IMAGE = (LABEL[..., np.newaxis] + RNG.normal(size=[4, 4, 4, 4, 1])).astype(np.float32)


EAGERLY = {"run_eagerly": True}  # Tracing takes longer than volumes of 64 voxels.


def _model(optimizer="adam", compiled=EAGERLY, strategy="supervised", **arguments):
    return toy_model(optimizer, compiled=compiled, strategy=strategy, **arguments)


def _raises_one_line(message):
    """`pytest.raises` for a ValueError of one line."""
    return pytest.raises(ValueError, match=rf"\A(?=.*{message}).*\Z")


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(gradient_accumulation_steps=4),
        lambda: optimizers.LossScaleOptimizer(
            optimizers.Adam(gradient_accumulation_steps=4)
        ),
        lambda: optimizers.serialize(optimizers.SGD(gradient_accumulation_steps=4)),
    ],
    ids=["plain", "loss scale", "config"],
)
def test_an_optimizer_that_accumulates_is_refused(make):
    message = r"gradient_accumulation_steps=4 .*compile\(.* accumulation_steps=4\)"
    with pytest.raises(ValueError, match=message):
        _model(make())
    # A saved model that was compiled with it is refused when it is loaded.
    model = _model()
    config = keras.saving.serialize_keras_object(model)
    config["compile_config"]["optimizer"] = keras.saving.serialize_keras_object(
        optimizers.get(make())
    )
    with pytest.raises(ValueError, match=message):
        keras.saving.deserialize_keras_object(config)
    # It may also be set later.
    model.optimizer.gradient_accumulation_steps = 4
    with pytest.raises(ValueError, match=message):
        model.fit(IMAGE, LABEL, verbose=0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        pytest.param({"regions": [[1], [1, 2]]}, marks=pytest.mark.slow),
        pytest.param({"num_classes": 12}, marks=pytest.mark.slow),
        pytest.param({"strategy": "recycling"}, marks=pytest.mark.slow),
        {"strategy": "recycling", "num_timesteps": 11, "num_timesteps_beta": 11},
        {"strategy": "diffusion", "model_output": "noise", "regions": [[1], [2]]},
    ],
    ids=str,
)
def test_metrics_names_are_those_of_the_values_of_evaluate(arguments):
    model = _model(**arguments)
    names = model.metrics_names
    assert names[:3] == ["loss", "dice", f"dice_class_{0 if model.regions else 1}"]
    values = model.evaluate(IMAGE, LABEL, verbose=0)
    by_name = model.evaluate(IMAGE, LABEL, verbose=0, return_dict=True)
    assert model.metrics_names == names
    assert dict(zip(names, values, strict=True)) == by_name
    history = model.fit(IMAGE, LABEL, verbose=0, validation_data=(IMAGE, LABEL)).history
    assert {f"val_{name}" for name in names} <= set(history)
    assert model.metrics_names == names
    assert len(model.test_on_batch(IMAGE, LABEL)) == len(names)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strategy": "recycling"},
        {"strategy": "recycling", "dice_weight": 0.0, "focal_weight": 0.5},
        {"strategy": "recycling", "regions": [[1], [1, 2]]},
    ],
    ids=str,
)
def test_validation_loss_is_that_of_the_last_prediction(arguments):
    model = _model(**arguments)
    probabilities = model.predict(IMAGE, verbose=0)
    ids = model.regions or [[0], [1]]
    mask = np.stack([np.isin(LABEL, each) for each in ids], axis=-1).astype(float)
    p = np.clip(probabilities.astype(float), 1e-7, 1 - 1e-7)
    axes = (1, 2, 3)
    overlap = 2 * (p * mask).sum(axes) / np.maximum((p + mask).sum(axes), 1e-9)
    present = mask.sum(axes) > 0
    dice = ((1 - overlap) * present).sum(-1) / np.maximum(present.sum(-1), 1)
    if model.regions:
        terms = -(mask * np.log(p) + (1 - mask) * np.log(1 - p))
        cross_entropy = terms.mean(axes).mean(-1)
        focal = 0.0
    else:
        terms = -mask * np.log(p)
        cross_entropy = terms.sum(-1).mean(axes)
        focal = ((1 - p) ** 2 * terms).sum(-1).mean(axes)
    weights = {"dice_weight": 1.0, "cross_entropy_weight": 1.0, "focal_weight": 0.0}
    weights |= {name: v for name, v in arguments.items() if name in weights}
    total = (
        weights["dice_weight"] * dice
        + weights["cross_entropy_weight"] * cross_entropy
        + weights["focal_weight"] * focal
    )
    scores = model.evaluate(IMAGE, LABEL, batch_size=3, verbose=0, return_dict=True)
    assert scores["loss"] == pytest.approx(total.mean(), rel=1e-3)


class _Scores(keras.callbacks.Callback):
    """Gives epochs these values."""

    def __init__(self, **values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        for name, values in self.values.items():
            assert name in logs
            logs[name] = values[epoch]


@pytest.mark.parametrize(
    "name, values",
    [
        ("val_dice", [0.2, 0.8, 0.4]),
        ("val_dice_class_1", [0.2, 0.8, 0.4]),
        ("val_loss", [0.8, 0.2, 0.6]),
    ],
)
def test_keras_s_callbacks_know_what_is_better(name, values, tmp_path):
    model = _model(optimizers.Adam(1e-3))
    scores = _Scores(**{name: values})
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor=name, save_best_only=True
    )
    stop = keras.callbacks.EarlyStopping(monitor=name, patience=1)
    slower = keras.callbacks.ReduceLROnPlateau(monitor=name, patience=1, factor=0.1)
    history = model.fit(
        IMAGE,
        LABEL,
        epochs=3,
        validation_split=0.25,
        verbose=0,
        callbacks=[scores, best, stop, slower],
    )
    assert best.best == values[1] and stop.best == values[1]
    assert len(history.epoch) == 3
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)


def test_logs_hold_only_numbers_and_the_same_keys(tmp_path):
    # An epoch of one example draws one of the five time steps.
    model = _model(strategy="recycling")
    seen = []
    keys = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(dict(logs))
    )
    history = model.fit(
        IMAGE[:1],
        LABEL[:1],
        epochs=3,
        verbose=0,
        validation_data=(IMAGE[:1], LABEL[:1]),
        callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv"), keys],
    ).history
    assert {f"loss_t{step}" for step in range(5)} <= set(history)
    assert {len(values) for values in history.values()} == {3}
    assert np.isfinite(list(history.values())).all()
    assert np.isfinite([list(map(float, logs.values())) for logs in seen]).all()
    with open(tmp_path / "log.csv") as file:
        rows = [list(map(float, row.values())) for row in csv.DictReader(file)]
    assert len(rows) == 3 and np.isfinite(rows).all()
    # A step that was not drawn has the mean of the others.
    for epoch in range(3):
        assert history["loss_t0"][epoch] == pytest.approx(history["loss"][epoch])


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
        getattr(_model(), method)(*SOURCES[source](*pair), verbose=0)


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
    model = _model()
    with _raises_one_line(f"validation_data: {message}" if is_known else message):
        model.fit(IMAGE, LABEL, verbose=0, validation_data=given)
    assert not is_known or int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("source", ["arrays", "dict"])
@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_a_batch_that_does_not_fit_is_one_error(change, source, method):
    *pair, message = CHANGES[change]
    with _raises_one_line(message):
        getattr(_model(), method)(*SOURCES[source](*pair))


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
        _model().predict(given(np.repeat(IMAGE, 3, axis=-1)), verbose=0)


def test_no_examples_are_one_error():
    model = _model()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="image must have an example, got"):
            call(IMAGE[:0], LABEL[:0], verbose=0)
    with pytest.raises(ValueError, match="image must have an example, got"):
        model.predict(IMAGE[:0], verbose=0)


def test_a_shape_that_only_a_graph_sees_is_one_error_too():
    image, label, message = CHANGES["voxels"]
    with _raises_one_line(rf"{message}.*4, 4, 3, 4|{message}.*4 4 3 4"):
        _model(compiled={}).fit(_of_unknown_shape(image, label), verbose=0)


def test_a_missing_label_is_named():
    model = _model()
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
        _model().fit(*source, verbose=0, **weights)
    with pytest.raises(ValueError, match="sample_weight is not supported"):
        _model().evaluate(*source, verbose=0, sample_weight=np.ones(4))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"clone_function": lambda layer: layer}], ids=["plain", "function"]
)
def test_clone_model_is_refused(compiled, options):
    model = _model()
    if not compiled:
        model = DiffusionUNet3D.from_config(model.get_config())
    with pytest.raises(ValueError, match=r"clone_model cannot.*copy.deepcopy\(model\)"):
        keras.models.clone_model(model, **options)
    assert model.predict(IMAGE, verbose=0).shape == (*LABEL.shape, 2)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: keras.models.model_from_json(model.to_json()),
        lambda model: type(model).from_config(model.get_config()),
    ],
    ids=["deepcopy", "pickle", "to_json", "from_config"],
)
def test_a_copy_is_a_model_of_its_own_and_frozen_alike(copied):
    model = _model(strategy="recycling")
    model.get_layer("stem").trainable = False
    model.train_on_batch(IMAGE[:1], LABEL[:1])
    other = copied(model)
    assert type(other) is DiffusionUNet3D
    other.set_weights(model.get_weights())
    predicted = (each.predict_on_batch(IMAGE[:1]) for each in (model, other))
    np.testing.assert_allclose(*predicted, rtol=1e-5)
    assert len(other.trainable_variables) == len(model.trainable_variables)
    other.compile(optimizers.Adam(1e-2), run_eagerly=True)
    before = np.asarray(other.get_layer("stem").kernel)
    other.train_on_batch(IMAGE[:1], LABEL[:1])
    np.testing.assert_array_equal(before, other.get_layer("stem").kernel)


def test_features_of_a_layer_are_a_model():
    model = _model(strategy="recycling")
    features = keras.Model(model.input, model.get_layer("stem").output)
    x_t = np.zeros((*LABEL.shape, 2), np.float32)
    found = features({"image": IMAGE, "x_t": x_t, "t": np.ones(4, np.float32)})
    assert found.shape == (*LABEL.shape, 4)


@pytest.mark.parametrize(
    "save, message",
    [
        (lambda model, folder: model.save(folder / "a.h5"), "a.h5: HDF5 .*keras, or "),
        (lambda model, folder: model.save(folder / "a.hdf5"), "a.hdf5: HDF5 files "),
        (
            lambda model, folder: model.save(folder / "a.weights.h5"),
            "a.weights.h5: HDF5 files .*, or save_weights",
        ),
        (
            lambda model, folder: keras.saving.save_model(model, folder / "a.h5"),
            "HDF5 files cannot hold the whole model",
        ),
        (
            lambda model, folder: model.export(folder / "export"),
            r"tf_diffseg\.export_saved_model",
        ),
    ],
    ids=["h5", "hdf5", "weights", "save_model", "export"],
)
def test_files_that_cannot_hold_the_model_are_refused(save, message, tmp_path):
    model = _model()
    with pytest.raises(ValueError, match=message):
        save(model, tmp_path)
    # `save_model` opens its file before it asks the model.
    assert not [path for path in tmp_path.iterdir() if path.name != "a.h5"]
    assert model.get_config()  # Only that call is refused.


def test_without_a_layer_to_train_fit_says_so():
    model = _model()
    model.trainable = False
    with pytest.raises(ValueError, match="no layer is left to train"):
        model.fit(IMAGE, LABEL, verbose=0)
    assert model.evaluate(IMAGE, LABEL, verbose=0)


def test_layers_frozen_after_a_step_stay_as_they_are():
    model = _model(optimizers.Adam(1e-2), compiled={})
    model.fit(IMAGE, LABEL, verbose=0)
    stem = model.get_layer("stem")
    before, head = np.asarray(stem.kernel), np.asarray(model.get_layer("head").kernel)
    stem.trainable = False
    model.fit(IMAGE, LABEL, verbose=0)
    np.testing.assert_array_equal(before, stem.kernel)
    assert np.abs(head - np.asarray(model.get_layer("head").kernel)).max() > 1e-4


def test_layers_that_the_optimizer_does_not_fit_are_refused():
    model = _model(optimizers.Adam(1e-2, use_ema=True))
    model.fit(IMAGE, LABEL, verbose=0)
    model.get_layer("stem").trainable = False
    # Keras would give the averages of some weights to others.
    with pytest.raises(ValueError, match="compile the model again, with a new optim"):
        model.fit(IMAGE, LABEL, verbose=0)
    model.compile(optimizers.Adam(1e-2), run_eagerly=True)
    model.fit(IMAGE, LABEL, verbose=0)
    model.get_layer("stem").trainable = True
    with pytest.raises(ValueError, match="compile the model again, with a new optim"):
        model.fit(IMAGE, LABEL, verbose=0)


def _batches(image, label):
    """Yields batches that cannot be checked before they come."""
    for start in (0, 2):
        yield image[start : start + 2], label[start : start + 2]


def _trained(fail=None):
    """Weights and loss after three steps, and after a call that may fail before."""
    model = _model(optimizers.Adam(1e-2), compiled={}, num_classes=3)
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
    one, other = _model(optimizers.SGD(0.1)), _model(optimizers.SGD(0.1))
    other.set_weights(one.get_weights())
    one.fit({"image": IMAGE}, LABEL, shuffle=False, verbose=0)
    other.fit(IMAGE, LABEL, shuffle=False, verbose=0)
    np.testing.assert_array_equal(one.get_weights()[0], other.get_weights()[0])
    scores = one.evaluate({"image": IMAGE}, LABEL, verbose=0)
    assert scores == one.evaluate(IMAGE, LABEL, verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"accumulation_steps": 2.5}, "accumulation_steps must be a whole number"),
        ({"loss": "mse"}, "loss cannot be given: Dice and the loss are built in"),
        ({"loss_weights": [1.0]}, "loss_weights cannot be given"),
        ({"metrics": ["mae"]}, "metrics cannot be given"),
    ],
)
def test_compile_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        _model().compile("adam", **arguments)


def test_several_steps_at_once_need_one_device():
    steps = {"steps_per_execution": 2}
    check_compile("sgd", "auto", 1, False, steps)
    with pytest.raises(ValueError, match="steps_per_execution must be 1 on several"):
        check_compile("sgd", "auto", 1, True, steps)


def test_fit_names_what_it_takes_by_place():
    with pytest.raises(ValueError, match="fit takes batch_size, epochs and verbose"):
        _model().fit(IMAGE, LABEL, 2, 1, 0, [])


def test_batch_methods_are_refused_on_several_devices(monkeypatch):
    """Keras gives each device the whole batch there."""
    image, label = toy_volumes()
    model = toy_model(num_classes=3)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(type(strategy), "num_replicas_in_sync", 2)
    monkeypatch.setattr(type(model), "distribute_strategy", strategy)
    for name, arguments in {
        "train_on_batch": (image, label),
        "test_on_batch": (image, label),
        "predict_on_batch": (image,),
    }.items():
        with pytest.raises(ValueError, match=f"^{name} gives each of the 2 devices"):
            getattr(model, name)(*arguments)
