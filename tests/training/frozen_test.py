"""Frozen layers, and the state of an optimizer that does not train them."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.saving.averaged_weights import AveragedWeights
from tf_diffseg.training.saving.checkpointing import restore
from tf_diffseg.training.saving.checkpoints import (
    CheckpointError,
    load_trained_model,
    save_checkpoint,
)
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D


def _encoder(model):
    for layer in model.layers:
        if layer.name.startswith(("stem", "encoder", "down", "bottom")):
            layer.trainable = False


def _inside(model):
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


def _model(freeze=None, optimizer="averages", **compiled):
    keras.utils.set_random_seed(1)
    # Without diffusion a step takes half as long to trace, and is trained alike.
    model = SegmentationUNet3D(2, num_channels=(4, 4), num_blocks=(1, 1), num_heads=0)
    if freeze:
        freeze(model)
    model.compile(OPTIMIZERS[optimizer](), **compiled)
    return model


def _data():
    label = np.random.default_rng(0).integers(0, 2, [4, 8, 8, 8])
    return label[..., np.newaxis].astype(np.float32), label


def _fit(model, **kwargs):
    model.fit(*_data(), batch_size=2, shuffle=False, verbose=0, **kwargs)


def _weights(model):
    return [np.asarray(weight) for weight in model.weights]


def _state(optimizer):
    return [np.asarray(variable) for variable in optimizer.variables]


def _assert_equal(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "freeze, optimizer", [*((_encoder, name) for name in OPTIMIZERS), (_inside, "adam")]
)
def test_a_saved_model_goes_on_as_if_never_saved(freeze, optimizer, tmp_path):
    model = _model(freeze, optimizer)
    frozen = [w for w in model.weights if not w.trainable]
    before = [np.asarray(weight) for weight in frozen]
    _fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert int(loaded.optimizer.iterations) == 2
    _assert_equal(_state(model.optimizer), _state(loaded.optimizer))
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    for each in (model, loaded):
        _fit(each)
    _assert_equal(_weights(model), _weights(loaded))
    _assert_equal(before, frozen)


@pytest.mark.parametrize("freeze", [None, _encoder, _inside])
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
    model = _model(_encoder, "loss scale")
    model.fit(*_data(), batch_size=2, verbose=0)
    raw = _weights(model)
    # As within `fit`, whose end puts the averages in place of the weights.
    for weight in model.trainable_variables:
        weight.assign(weight + 1.0)
    save_checkpoint(model, tmp_path, 1)
    loaded = load_trained_model(tmp_path / "epoch-00001.keras")
    _assert_equal(raw, _weights(loaded))


def test_validation_by_averages_gives_the_weights_back():
    model = _model(_encoder)
    _fit(model)
    for weight in model.trainable_variables:
        weight.assign(weight + 1.0)
    before = _weights(model)
    seen = []
    spy = keras.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append(_weights(model))
    )
    model.evaluate(*_data(), verbose=0, callbacks=[AveragedWeights(), spy])
    _assert_equal(before, _weights(model))
    assert np.abs(seen[0][-1] - before[-1]).max() == pytest.approx(1.0)


@pytest.mark.parametrize("optimizer", ["averages", "loss scale"])
def test_a_run_with_frozen_layers_is_restored(optimizer, tmp_path):
    model = _model(_encoder, optimizer)
    _fit(model)
    save_checkpoint(model, tmp_path, 1)
    resumed = _model(_encoder, optimizer)
    assert restore(resumed, tmp_path) == (1, 0)
    _assert_equal(_state(model.optimizer), _state(resumed.optimizer))
    for each in (model, resumed):
        _fit(each)
    _assert_equal(_weights(model), _weights(resumed))


@pytest.mark.parametrize(
    "saved, compiled, message",
    [
        (_encoder, None, "trains 9 weights.* 19: stem/kernel, .* frozen in the check"),
        (None, _encoder, "trains 19 weights.* 9: stem/kernel, .* frozen in the model"),
        (_inside, None, "bottom_0/conv_in/kernel, head/bias frozen in the checkpoint"),
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
    """A file as versions before wrote it: of what is frozen it does not tell."""
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
    _assert_equal(
        _state(keras.saving.load_model(path).optimizer), _state(model.optimizer)
    )
    resumed = _model()
    assert restore(resumed, tmp_path) == (1, 0)
    _assert_equal(_state(resumed.optimizer), _state(model.optimizer))


def test_averages_that_an_earlier_version_saved_of_frozen_layers_are_no_silent_loss(
    tmp_path,
):
    model = _model(_encoder)
    _fit(model)
    path = _as_saved_before(save_checkpoint(model, tmp_path, 1))
    with (
        pytest.warns(UserWarning, match="Skipping variable loading"),
        pytest.raises(CheckpointError, match="holds averages of fewer weights"),
    ):
        load_trained_model(path)
    with pytest.raises(CheckpointError, match="other layers were frozen"):
        restore(_model(), tmp_path)
    resumed = _model(_encoder)
    assert restore(resumed, tmp_path) == (1, 0)
    _assert_equal(_state(resumed.optimizer), _state(model.optimizer))
