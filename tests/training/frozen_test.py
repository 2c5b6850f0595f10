"""Frozen layers, and the state of an optimizer that does not train them."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tests.training.toys import arrays, assert_equal, toy_model
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.saving.averaged_weights import AveragedWeights
from tf_diffseg.training.saving.checkpointing import restore
from tf_diffseg.training.saving.checkpoints import (
    CheckpointError,
    save_checkpoint,
)
from tf_diffseg.training.saving.frozen_layers import freeze_layers, layers_of
from tf_diffseg.training.saving.trained_model import load_trained_model

TWO_LEVELS = {"num_channels": (4, 4), "num_blocks": (1, 1)}


def _freeze_encoder(model):
    freeze_layers(model, layers_of(model, "encoder"))


def _freeze_inside(model):
    model.get_layer("bottom_0").conv_in.trainable = False
    model.get_layer("head").bias.trainable = False


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
    "averages": lambda: KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.5),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.5)
    ),
}


def _model(freeze=None, optimizer="averages"):
    # Without diffusion a step takes half as long to trace.
    model = toy_model(strategy="supervised", **TWO_LEVELS)
    if freeze:
        freeze(model)
    model.compile(OPTIMIZERS[optimizer]())
    return model


def _data():
    label = np.random.default_rng(0).integers(0, 2, [2, 8, 8, 8])
    return label[..., np.newaxis].astype(np.float32), label


def _fit(model):
    model.run_eagerly = True  # Tracing takes longer.
    model.fit(*_data(), batch_size=1, shuffle=False, verbose=0)


def _state(model):
    return arrays(model.optimizer.variables)


@pytest.mark.parametrize(
    "freeze, optimizer",
    [
        *(
            pytest.param(_freeze_encoder, name, marks=pytest.mark.slow)
            for name in OPTIMIZERS
            if name != "loss scale"
        ),
        (_freeze_encoder, "loss scale"),
        (_freeze_inside, "adam"),
    ],
)
def test_a_saved_model_goes_on_as_if_never_saved(freeze, optimizer, tmp_path):
    model = _model(freeze, optimizer)
    frozen = [w for w in model.weights if not w.trainable]
    before = arrays(frozen)
    _fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 2
    assert_equal(_state(model), _state(loaded))
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    for each in (model, loaded):
        _fit(each)
    assert_equal(arrays(model.weights), arrays(loaded.weights))
    assert_equal(before, frozen)


@pytest.mark.parametrize("freeze", [None, _freeze_encoder, _freeze_inside])
def test_a_model_that_was_not_fitted_is_saved_without_a_warning(
    freeze, tmp_path, recwarn
):
    model = _model(freeze)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not [w for w in recwarn if "optimizer" in str(w.message)]
    assert not loaded.optimizer.built
    assert len(loaded.trainable_variables) == len(model.trainable_variables)


def test_averages_of_what_is_trained_are_loaded_to_evaluate_with(tmp_path):
    model = _model(_freeze_encoder, "loss scale")
    _fit(model)
    raw = arrays(model.weights)
    # The end of `fit` has put the averages in place of the weights; undo that.
    for weight in model.trainable_variables:
        weight.assign(weight + 1.0)
    save_checkpoint(model, tmp_path, 1)
    loaded = load_trained_model(tmp_path / "epoch-00001.keras")
    assert_equal(raw, arrays(loaded.weights))


def test_validation_by_averages_gives_the_weights_back():
    model = _model(_freeze_encoder)
    _fit(model)
    for weight in model.trainable_variables:
        weight.assign(weight + 1.0)
    before = arrays(model.weights)
    seen = []
    spy = keras.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append(arrays(model.weights))
    )
    model.evaluate(*_data(), verbose=0, callbacks=[AveragedWeights(), spy])
    assert_equal(before, arrays(model.weights))
    assert np.abs(seen[0][-1] - before[-1]).max() == pytest.approx(1.0)


@pytest.mark.parametrize("optimizer", ["averages", "loss scale"])
def test_a_run_with_frozen_layers_is_restored(optimizer, tmp_path):
    model = _model(_freeze_encoder, optimizer)
    _fit(model)
    save_checkpoint(model, tmp_path, 1)
    resumed = _model(_freeze_encoder, optimizer)
    assert restore(resumed, tmp_path) == (1, 0)
    assert_equal(_state(model), _state(resumed))
    for each in (model, resumed):
        _fit(each)
    assert_equal(arrays(model.weights), arrays(resumed.weights))


@pytest.mark.parametrize(
    "saved, compiled, message",
    [
        (
            _freeze_encoder,
            None,
            "9 weights.* 19: stem/kernel, .* frozen only in the ch",
        ),
        (
            None,
            _freeze_encoder,
            "19 weights.* 9: stem/kernel, .* frozen only in the m",
        ),
        (
            _freeze_inside,
            None,
            "bottom_0/conv_in/kernel, head/bias frozen only in the",
        ),
    ],
)
def test_a_run_that_trains_other_weights_is_not_restored(
    saved, compiled, message, tmp_path
):
    model = _model(saved)
    model.optimizer.build(model.trainable_variables)
    save_checkpoint(model, tmp_path, 1)
    with pytest.raises(CheckpointError, match=message):
        restore(_model(compiled), tmp_path)


def _as_saved_before(path):
    """Makes a file like those of earlier versions, which do not tell what is frozen."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(content["config.json"])
    config["config"].pop("trainable_state", None)
    for name in ("trained", "asked_rate"):
        del config["compile_config"][name]
    content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_a_file_of_an_earlier_version_is_loaded_and_restored(tmp_path):
    model = _model()
    _fit(model)
    path = _as_saved_before(save_checkpoint(model, tmp_path, 1))
    assert_equal(_state(keras.saving.load_model(path)), _state(model))
    resumed = _model()
    assert restore(resumed, tmp_path) == (1, 0)
    assert_equal(_state(resumed), _state(model))


def test_averages_that_an_earlier_version_saved_of_frozen_layers_are_no_silent_loss(
    tmp_path,
):
    model = _model(_freeze_encoder)
    _fit(model)
    path = _as_saved_before(save_checkpoint(model, tmp_path, 1))
    with (
        pytest.warns(UserWarning, match="Skipping variable loading"),
        pytest.raises(CheckpointError, match="holds averages of fewer weights"),
    ):
        load_trained_model(path)
    with pytest.raises(CheckpointError, match="other layers were frozen"):
        restore(_model(), tmp_path)
    resumed = _model(_freeze_encoder)
    assert restore(resumed, tmp_path) == (1, 0)
    assert_equal(_state(resumed), _state(model))
