"""Networks are loaded from runs, files, exports and names."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_diffseg
from tests.serving.exported_toy import ExportedToy
from tf_diffseg import shipped_models
from tf_diffseg.runs import InitError, init_from, load_pretrained
from tf_diffseg.training import save_checkpoint
from tf_diffseg.training.flat_network import flat_network

_SMALL = {"num_channels": (4,), "num_heads": 0}


def _network(seed=0, num_classes=3, **values):
    network = flat_network(num_classes, **{**_SMALL, **values})
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return network


def _values(network):
    return {w.path: np.asarray(w).copy() for w in network.weights}


def _assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture
def run(tmp_path):
    """A run folder of epochs 1 and 2, of which the first was the best."""
    for epoch in (1, 2):
        model = _network(epoch)
        model.compile(jit_compile=False)
        folder = tmp_path / "run" / "checkpoints"
        save_checkpoint(model, folder, epoch, best=epoch == 1)
    return tmp_path / "run"


@pytest.mark.parametrize(
    "place, epoch",
    [("", 2), ("checkpoints", 2), ("checkpoints/best.keras", 1)],
)
def test_the_newest_checkpoint_of_a_run_or_the_one_named_is_taken(run, place, epoch):
    model = _network()
    report = tf_diffseg.init_from(model, run / place)
    expected = _values(_network(epoch))
    _assert_same(_values(model), expected)
    name = "best.keras" if epoch == 1 else "epoch-00002.keras"
    assert f"{name} (weights as trained)" in str(report)
    _assert_same(_values(tf_diffseg.load_pretrained(str(run / place))), expected)


def test_averaged_weights_take_precedence(tmp_path):
    model = _network(1)
    model.compile(
        keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), jit_compile=False
    )
    image = np.random.default_rng(0).normal(size=(2, 4, 4, 4, 1)).astype(np.float32)
    label = (image[..., 0] > 0).astype(np.int32)
    for _ in range(2):  # `fit` would end with the averages in place.
        model.train_on_batch(image, label)
    model.save(tmp_path / "model.keras")
    optimizer = model.optimizer
    averages = {
        variable.path: np.asarray(average).copy()
        for variable, average in zip(
            model.trainable_variables,
            optimizer._model_variables_moving_average,
            strict=True,
        )
    }
    last = _values(model)
    found = _network(2)
    report = init_from(found, tmp_path / "model.keras")
    _assert_same(_values(found), averages)
    assert any((averages[name] != last[name]).any() for name in last)
    assert "(averaged weights)" in str(report)


def test_a_file_of_weights_is_taken(tmp_path):
    there = _network(2)
    there.save_weights(tmp_path / "a.weights.h5")
    model = _network(1)
    init_from(model, tmp_path / "a.weights.h5")
    _assert_same(_values(model), _values(there))
    with pytest.raises(InitError, match="holds only weights, not their net"):
        load_pretrained(tmp_path / "a.weights.h5")


def test_an_export_and_a_name_are_taken(tmp_path, monkeypatch):
    supervised = {"strategy": "supervised"}
    toy = ExportedToy(tmp_path / "models" / "toy", model_options=supervised)
    monkeypatch.setattr(shipped_models, "MODELS_DIR", tmp_path / "models")
    for source in (toy.path, "toy"):
        model = load_pretrained(source)
        _assert_same(_values(model), _values(toy.model))
        other = flat_network(4, 2, num_channels=(4, 8), **supervised)
        report = init_from(other, source)
        assert {m.name.split("/")[0] for m in report.misfits} == {"stem", "head"}
        found, expected = (
            network.get_layer("down_0").get_weights() for network in (other, toy.model)
        )
        np.testing.assert_array_equal(found[0], expected[0])


def test_the_encoder_is_frozen_as_far_as_it_was_taken(tmp_path):
    values = {"num_channels": (4, 8), "num_heads": 2}
    there = _network(2, **values)
    there.save(tmp_path / "there.keras")
    model = _network(1, num_classes=4, **values)
    report = init_from(model, tmp_path / "there.keras", freeze="encoder")
    frozen = {layer.name for layer in model.layers if not layer.trainable}
    # The stem's channels of the mask start afresh, and have to learn.
    bottom = {"bottom_0", "bottom_attention", "bottom_1"}
    assert frozen == {"time_embedding", "encoder_0_0", "down_0", *bottom}
    assert frozen == set(report.frozen)
    assert str(report).splitlines()[-1].startswith("frozen: time_embedding, ")


def test_freezing_is_refused_if_no_layer_was_taken(tmp_path):
    supervised = _network(2, strategy="supervised", image_channels=2)
    supervised.save(tmp_path / "supervised.keras")
    model, before = _network(1), _values(_network(1))
    with pytest.raises(InitError, match="no layer to freeze is taken whole"):
        init_from(model, tmp_path / "supervised.keras", freeze="encoder")
    _assert_same(_values(model), before)
    assert all(layer.trainable for layer in model.layers)


def _sources(folder, run):
    """Makes bad sources; dict from the name of each to its message."""
    whole = run / "checkpoints" / "epoch-00002.keras"
    (folder / "empty").mkdir()
    (folder / "text.txt").write_text("weights")
    (folder / "damaged.keras").write_bytes(whole.read_bytes()[:-1000])
    (folder / "damaged.weights.h5").write_bytes(b"HDF5")
    (folder / "text.keras").write_text("weights")
    h5py.File(folder / "empty.h5", "w").close()
    dense = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    dense.save(folder / "dense.keras")
    dense.save_weights(folder / "dense.weights.h5")
    with zipfile.ZipFile(folder / "data.keras", "w") as archive:
        archive.writestr("data.csv", "1,2")
    tf.saved_model.save(tf.Module(), str(folder / "foreign"))
    newest_damaged = folder / "newest_damaged" / "checkpoints"
    newest_damaged.mkdir(parents=True)
    (newest_damaged / "epoch-00003.keras").write_bytes(whole.read_bytes()[:-1000])
    return {
        "nothing": "no such file or folder; expected a run folder, .* package: ",
        "empty": "a folder without a checkpoint; expected",
        "text.txt": "a file of another kind; expected",
        "damaged.keras": "is damaged",
        "text.keras": "is damaged",
        "data.keras": "is damaged",
        "damaged.weights.h5": "cannot be read, or is damaged",
        "empty.h5": "is an HDF5 file without the layers",
        "dense.keras": "holds a Sequential, expected a network of tf_diffseg",
        "dense.weights.h5": "shares no weight with the network",
        "foreign": r"has no assets/keras_model\.json",
        "newest_damaged": r"epoch-00003\.keras is damaged",
    }


def test_a_bad_source_or_part_is_refused_and_nothing_changes(tmp_path, run):
    model = _network(1)
    before = _values(model)
    for name, message in _sources(tmp_path, run).items():
        with pytest.raises(InitError, match=message) as refusal:
            init_from(model, tmp_path / name)
        assert str(refusal.value).startswith(f"{tmp_path / name}: ")
        _assert_same(_values(model), before)
    with pytest.raises(ValueError, match="freeze must be one of encoder, got 'stem'"):
        init_from(model, run, freeze="stem")
    _assert_same(_values(model), before)
