"""Each call of a Keras model works, or is refused at once by one error."""

import copy
import csv
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.eager_toys import IMAGE, LABEL, eager_model
from tests.training.toys import toy_model, toy_volumes
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.training_checks import check_compile

optimizers = keras.optimizers


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
        eager_model(make())
    # A saved model that was compiled with it is refused when it is loaded.
    model = eager_model()
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
    model = eager_model(**arguments)
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
    model = eager_model(**arguments)
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
    model = eager_model(optimizers.Adam(1e-3))
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
    model = eager_model(strategy="recycling")
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


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"clone_function": lambda layer: layer}], ids=["plain", "function"]
)
def test_clone_model_is_refused(compiled, options):
    model = eager_model()
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
    model = eager_model(strategy="recycling")
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
    model = eager_model(strategy="recycling")
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
    model = eager_model()
    with pytest.raises(ValueError, match=message):
        save(model, tmp_path)
    # `save_model` opens its file before it asks the model.
    assert not [path for path in tmp_path.iterdir() if path.name != "a.h5"]
    assert model.get_config()  # Only that call is refused.


def test_without_a_layer_to_train_fit_says_so():
    model = eager_model()
    model.trainable = False
    with pytest.raises(ValueError, match="no layer is left to train"):
        model.fit(IMAGE, LABEL, verbose=0)
    assert model.evaluate(IMAGE, LABEL, verbose=0)


def test_layers_frozen_after_a_step_stay_as_they_are():
    model = eager_model(optimizers.Adam(1e-2), compiled={})
    model.fit(IMAGE, LABEL, verbose=0)
    stem = model.get_layer("stem")
    before, head = np.asarray(stem.kernel), np.asarray(model.get_layer("head").kernel)
    stem.trainable = False
    model.fit(IMAGE, LABEL, verbose=0)
    np.testing.assert_array_equal(before, stem.kernel)
    assert np.abs(head - np.asarray(model.get_layer("head").kernel)).max() > 1e-4


def test_layers_that_the_optimizer_does_not_fit_are_refused():
    model = eager_model(optimizers.Adam(1e-2, use_ema=True))
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
        eager_model().compile("adam", **arguments)


def test_several_steps_at_once_need_one_device():
    steps = {"steps_per_execution": 2}
    check_compile("sgd", "auto", 1, False, steps)
    with pytest.raises(ValueError, match="steps_per_execution must be 1 on several"):
        check_compile("sgd", "auto", 1, True, steps)


def test_fit_names_what_it_takes_by_place():
    with pytest.raises(ValueError, match="fit takes batch_size, epochs and verbose"):
        eager_model().fit(IMAGE, LABEL, 2, 1, 0, [])


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
