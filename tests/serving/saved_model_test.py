"""The exported SavedModel: its signatures, and that it needs no code of ours."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.exported_toy import (
    LABEL_VALUES,
    SEEDS,
    ExportedToy,
    good_requests,
    nifti_files,
    preprocessed,
    volumes,
)
from tf_diffseg.inference import Segmenter, sample_seeds
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import ServedModel, StoredWeights
from tf_diffseg.training.flat_network import flat_network

# TensorFlow imports Keras itself if it is installed, and works without it.
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
    tensors = {key: tf.constant(value) for key, value in arrays.item().items()}
    for key, value in model.signatures[name](**tensors).items():
        results[f"{name}/{key}"] = value.numpy()
np.savez(outputs, **results)
for package in ("keras", "tf_diffseg"):
    assert not [name for name in sys.modules if name.startswith(package + ".")]
"""


def _serve(exported, image=None, seed=SEEDS):
    image = preprocessed() if image is None else image
    return exported.run("serving_default", image=image, seed=seed)


_ALL = slice(None)


def _segment(exported, chosen=_ALL):
    """Outputs of `segment_volume` for the chosen ones of `volumes`."""
    image, affine = volumes()
    inputs = {"image": image[chosen], "affine": affine[chosen], "seed": SEEDS[chosen]}
    return exported.run("segment_volume", **inputs)


def _shapes(specs):
    return {name: (spec.dtype, spec.shape.as_list()) for name, spec in specs.items()}


def test_every_tensor_of_a_signature_has_a_batch_axis(exported):
    volume, seed = [None] * 4, (tf.int32, [None])
    image, label = (tf.float32, [*volume, 1]), (tf.int32, volume)
    affine = (tf.float32, [None, 4, 4])
    expected = {
        "serving_default": (
            {"image": image, "seed": seed},
            {"label": label, "probabilities": (tf.float32, [*volume, 3])},
        ),
        "segment_volume": (
            {"image": image, "affine": affine, "seed": seed},
            {"label": label, "uncertainty": (tf.float32, volume)},
        ),
        "segment_nifti": (
            {"contents": (tf.string, [None]), "seed": seed},
            {"label": label, "affine": affine, "label_values": (tf.int32, [None, 3])},
        ),
    }
    assert exported.signatures.keys() == expected.keys()
    for name, signature in exported.signatures.items():
        inputs = signature.structured_input_signature[1]
        found = _shapes(inputs), _shapes(signature.structured_outputs)
        assert found == expected[name]


def test_serves_where_neither_keras_nor_this_library_can_be_imported(
    exported, tmp_path
):
    requests = good_requests()
    requests["segment_nifti"]["contents"] = np.array(nifti_files(), object)
    np.savez(tmp_path / "inputs.npz", **requests)
    program = [sys.executable, "-c", _SERVE_WITHOUT_KERAS, str(exported.path)]
    files = [str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")]
    result = subprocess.run(
        program + files,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    outputs = np.load(tmp_path / "outputs.npz")
    here = _serve(exported)
    for name in ("label", "probabilities"):
        np.testing.assert_array_equal(outputs[f"serving_default/{name}"], here[name])
    label = _segment(exported)["label"]
    np.testing.assert_array_equal(outputs["segment_volume/label"], label)
    np.testing.assert_array_equal(outputs["segment_nifti/label"], label)
    np.testing.assert_array_equal(outputs["segment_nifti/affine"], volumes()[1])


def test_the_label_is_the_most_probable_class_by_predict(exported):
    served = _serve(exported)
    probabilities = exported.model.predict(
        {"image": preprocessed(), "seed": SEEDS}, verbose=0
    )
    np.testing.assert_array_equal(served["label"], probabilities.argmax(axis=-1))
    np.testing.assert_allclose(served["probabilities"], probabilities, atol=1e-5)
    np.testing.assert_allclose(served["probabilities"].sum(axis=-1), 1.0, atol=1e-5)
    # All classes are there: label maps of a single class would always agree.
    assert set(np.unique(served["label"])) == {0, 1, 2}


def test_the_seed_chooses_the_noise(exported):
    first = _serve(exported)["label"]
    np.testing.assert_array_equal(_serve(exported)["label"], first)
    other = _serve(exported, seed=SEEDS + np.array([0, 1], np.int32))["label"]
    np.testing.assert_array_equal(other[0], first[0])
    assert np.any(other[1] != first[1])


def test_a_batch_gives_what_its_examples_give_alone(exported):
    together, segmented = _serve(exported)["label"], _segment(exported)["label"]
    for index in range(2):
        one = slice(index, index + 1)
        alone = _serve(exported, preprocessed()[one], SEEDS[one])["label"]
        np.testing.assert_array_equal(alone[0], together[index])
        alone = _segment(exported, one)["label"]
        np.testing.assert_array_equal(alone[0], segmented[index])


def test_segment_volume_gives_label_and_entropy_of_the_segmenter(exported):
    outputs = _segment(exported)
    label, uncertainty = outputs["label"], outputs["uncertainty"]
    image, affine = volumes()
    assert label.shape == image.shape[:4]
    values = set(np.unique(label))
    assert len(values) > 1 and values <= set(LABEL_VALUES)
    for index in range(2):
        volume = image[index], affine[index], SEEDS[index]
        np.testing.assert_array_equal(label[index], exported.segmenter(*volume))
        entropy = exported.segmenter.predict(*volume).entropy
        np.testing.assert_allclose(uncertainty[index], entropy, atol=1e-4)
    # Padding on the way back is background and certain; the rest is not.
    assert uncertainty.max() > 0.1


def test_a_volume_of_any_shape_is_served(exported):
    for shape in [(1, 1, 1), (8, 9, 3)]:
        served = _serve(exported, preprocessed(1, shape), SEEDS[:1])
        assert served["label"].shape == (1, *shape)


def test_segment_nifti_is_segment_volume_of_the_file(exported):
    expected = _segment(exported)["label"]
    for compressed in (True, False):
        files = nifti_files(compressed)
        outputs = exported.run("segment_nifti", contents=files, seed=SEEDS)
        np.testing.assert_array_equal(outputs["label"], expected)
        np.testing.assert_array_equal(outputs["affine"], volumes()[1])
        np.testing.assert_array_equal(outputs["label_values"], [LABEL_VALUES] * 2)


@pytest.mark.slow
def test_an_export_averages_samples_and_has_the_windows_in_its_graph(tmp_path):
    exported = ExportedToy(
        tmp_path, {}, window_shape=(8, 8, 6), num_samples=3, batch_size=2
    )
    segmenter, affine, seed = exported.segmenter, tf.eye(4), SEEDS[:1]

    @tf.function(
        input_signature=[tf.TensorSpec([1, None, None, None, 1])], autograph=False
    )
    def samples_and_prediction(image):
        three = tf.repeat(image, 3, axis=0)
        samples = segmenter.sample(three, sample_seeds(seed[0], 3))
        return samples, segmenter.predict(image[0], affine, seed[0], 3, 2)

    rng = np.random.default_rng(0)
    for shape in [(13, 8, 9), (5, 6, 4)]:
        image = rng.normal(size=(1, *shape, 1)).astype(np.float32)
        samples, prediction = samples_and_prediction(tf.constant(image))
        served = _serve(exported, image, seed)["probabilities"]
        np.testing.assert_allclose(served[0], np.mean(samples, axis=0), atol=1e-4)
        assert np.abs(samples[0] - samples[1]).max() > 1e-3
        inputs = {"image": image, "affine": affine[tf.newaxis], "seed": seed}
        outputs = exported.run("segment_volume", **inputs)
        label = np.array(LABEL_VALUES)[prediction.class_ids]
        np.testing.assert_array_equal(outputs["label"][0], label)
        uncertainty = outputs["uncertainty"][0]
        np.testing.assert_allclose(uncertainty, prediction.entropy, atol=1e-4)


def test_weights_may_be_halves_and_the_batch_fixed(half_export):
    for signature in half_export.signatures.values():
        for spec in signature.structured_input_signature[1].values():
            assert spec.shape[0] == 2
    checkpoint = tf.train.load_checkpoint(str(half_export.path / "variables/variables"))
    stored = checkpoint.get_variable_to_dtype_map()
    found = [dtype for name, dtype in stored.items() if name.startswith("weights")]
    num_float = sum("float" in weight.dtype for weight in half_export.model.weights)
    assert found == [tf.float16] * num_float


def test_a_model_without_diffusion_takes_a_seed_as_well():
    model = flat_network(3, num_channels=(4, 8), strategy="supervised")
    segmenter = Segmenter(model.sample, VolumePreprocessor(), LABEL_VALUES)
    served = ServedModel(segmenter, 1, StoredWeights(model))
    serve = served.signatures()["serving_default"]
    first, second = (serve(preprocessed(), SEEDS + i)["probabilities"] for i in (0, 1))
    np.testing.assert_array_equal(first, second)
