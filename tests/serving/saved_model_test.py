"""The exported SavedModel: its signatures, and that it needs no code of ours."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import export_saved_model
from tf_diffseg.training import DiffusionUNet3D

_LABEL_VALUES = (0, 4, 7)
_SEEDS = np.array([3, 11], np.int32)

# TensorFlow imports Keras itself where it finds it, and does without elsewhere.
_SERVE_WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None  # From here on the import of either fails.
sys.modules["tf_diffseg"] = None
import numpy as np
import tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
model = tf.saved_model.load(folder)
results = {}
for name, arrays in np.load(inputs, allow_pickle=True).items():
    for key, value in model.signatures[name](**arrays.item()).items():
        results[f"{name}/{key}"] = value.numpy()
np.savez(outputs, **results)
for package in ("keras", "tf_diffseg"):
    assert not [name for name in sys.modules if name.startswith(package + ".")]
"""


class _Exported:
    """A tiny model of random weights, with the SavedModel made of it."""

    def __init__(self, folder, **changes):
        self.model = DiffusionUNet3D(
            num_classes=3, num_channels=(4, 8), num_timesteps=3, **changes
        )
        rng = np.random.default_rng(0)
        for weight in self.model.trainable_variables:
            weight.assign_add(rng.normal(scale=0.2, size=weight.shape))
        self.segmenter = Segmenter(
            self.model.sample,
            VolumePreprocessor(spacing_mm=(1.0, 1.0, 1.5), volume_shape=(8, 8, 6)),
            _LABEL_VALUES,
        )
        self.path = export_saved_model(self.segmenter, self.model, folder, {})
        self.signatures = tf.saved_model.load(str(self.path)).signatures


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return _Exported(tmp_path_factory.mktemp("export"))


def _preprocessed(batch_size=2, shape=(7, 6, 5)):
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch_size, *shape, 1)).astype(np.float32)


def _volumes():
    """Two volumes as files have them, of different orientation and spacing."""
    rng = np.random.default_rng(2)
    image = rng.normal(100.0, 30.0, (2, 9, 7, 8, 1)).astype(np.float32)
    affine = np.stack([np.eye(4), np.eye(4)]).astype(np.float32)
    affine[0, :3, :3] = np.diag([-1.0, 1.2, 1.5])
    affine[1, :3, :3] = np.array([[0, 0, 1.1], [0.9, 0.1, 0], [0, -1.3, 0]])
    return image, affine


def _serve(exported, image=None, seed=_SEEDS):
    image = _preprocessed() if image is None else image
    outputs = exported.signatures["serving_default"](
        image=tf.constant(image), seed=tf.constant(seed)
    )
    return {name: value.numpy() for name, value in outputs.items()}


def _segment(exported, image, affine, seed=_SEEDS):
    outputs = exported.signatures["segment_volume"](
        image=tf.constant(image), affine=tf.constant(affine), seed=tf.constant(seed)
    )
    return outputs["label"].numpy()


def test_signatures_have_a_batch_axis_on_every_tensor(exported):
    described = {
        name: (
            {key: (s.dtype, s.shape.as_list()) for key, s in inputs.items()},
            {key: (s.dtype, s.shape.as_list()) for key, s in outputs.items()},
        )
        for name, inputs, outputs in (
            (
                name,
                signature.structured_input_signature[1],
                signature.structured_outputs,
            )
            for name, signature in exported.signatures.items()
        )
    }
    volume = [None, None, None, None]
    seed = (tf.int32, [None])
    assert described == {
        "serving_default": (
            {"image": (tf.float32, [*volume, 1]), "seed": seed},
            {
                "label": (tf.int32, volume),
                "probabilities": (tf.float32, [*volume, 3]),
            },
        ),
        "segment_volume": (
            {
                "image": (tf.float32, [*volume, 1]),
                "affine": (tf.float32, [None, 4, 4]),
                "seed": seed,
            },
            {"label": (tf.int32, volume)},
        ),
    }


def test_serves_where_neither_keras_nor_this_library_can_be_imported(
    exported, tmp_path
):
    image, affine = _volumes()
    inputs = {
        "serving_default": {"image": _preprocessed(), "seed": _SEEDS},
        "segment_volume": {"image": image, "affine": affine, "seed": _SEEDS},
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    program = [sys.executable, "-c", _SERVE_WITHOUT_KERAS, str(exported.path)]
    files = [str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")]
    result = subprocess.run(
        program + files,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    outputs = np.load(tmp_path / "outputs.npz")
    here = _serve(exported)
    for name in ("label", "probabilities"):
        np.testing.assert_array_equal(outputs[f"serving_default/{name}"], here[name])
    np.testing.assert_array_equal(
        outputs["segment_volume/label"], _segment(exported, image, affine)
    )


def test_label_is_what_predict_finds_most_probable(exported):
    served = _serve(exported)
    probabilities = exported.model.predict(
        {"image": _preprocessed(), "seed": _SEEDS}, verbose=0
    )
    np.testing.assert_array_equal(served["label"], probabilities.argmax(axis=-1))
    np.testing.assert_allclose(served["probabilities"], probabilities, atol=1e-5)
    np.testing.assert_allclose(served["probabilities"].sum(axis=-1), 1.0, atol=1e-5)
    # All classes are there: labels of one class alone would always agree.
    assert set(np.unique(served["label"])) == {0, 1, 2}


def test_seed_chooses_the_noise(exported):
    first = _serve(exported)
    np.testing.assert_array_equal(_serve(exported)["label"], first["label"])
    other = _serve(exported, seed=_SEEDS + np.array([0, 1], np.int32))
    np.testing.assert_array_equal(other["label"][0], first["label"][0])
    assert np.any(other["label"][1] != first["label"][1])


def test_a_batch_gives_what_its_examples_give_alone(exported):
    together = _serve(exported)["label"]
    image, affine = _volumes()
    segmented = _segment(exported, image, affine)
    for index in range(2):
        one = slice(index, index + 1)
        alone = _serve(exported, _preprocessed()[one], _SEEDS[one])["label"]
        np.testing.assert_array_equal(alone[0], together[index])
        alone = _segment(exported, image[one], affine[one], _SEEDS[one])
        np.testing.assert_array_equal(alone[0], segmented[index])


def test_segment_volume_is_the_segmenter(exported):
    image, affine = _volumes()
    label = _segment(exported, image, affine)
    assert label.shape == image.shape[:4]
    values = set(np.unique(label))
    assert len(values) > 1
    assert values <= set(_LABEL_VALUES)
    for index in range(2):
        expected = exported.segmenter(image[index], affine[index], _SEEDS[index])
        np.testing.assert_array_equal(label[index], expected)


def test_any_shape_is_served(exported):
    for shape in [(1, 1, 1), (8, 9, 3)]:
        served = _serve(exported, _preprocessed(1, shape), _SEEDS[:1])
        assert served["label"].shape == (1, *shape)


def test_a_model_without_diffusion_takes_a_seed_as_well(tmp_path):
    supervised = _Exported(tmp_path, strategy="supervised")
    first, second = _serve(supervised), _serve(supervised, seed=_SEEDS + 1)
    np.testing.assert_array_equal(first["probabilities"], second["probabilities"])
    image, affine = _volumes()
    assert _segment(supervised, image, affine).shape == image.shape[:4]
