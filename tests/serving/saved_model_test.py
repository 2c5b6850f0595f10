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
    nifti_files,
    preprocessed,
    volumes,
)

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
    tensors = {key: tf.constant(value) for key, value in arrays.item().items()}
    for key, value in model.signatures[name](**tensors).items():
        results[f"{name}/{key}"] = value.numpy()
np.savez(outputs, **results)
for package in ("keras", "tf_diffseg"):
    assert not [name for name in sys.modules if name.startswith(package + ".")]
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ExportedToy(tmp_path_factory.mktemp("export"))


def _serve(exported, image=None, seed=SEEDS):
    image = preprocessed() if image is None else image
    return exported.run("serving_default", image=image, seed=seed)


def _segment(exported, image, affine, seed=SEEDS):
    outputs = exported.run("segment_volume", image=image, affine=affine, seed=seed)
    return outputs["label"]


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
            {"label": (tf.int32, volume), "uncertainty": (tf.float32, volume)},
        ),
        "segment_nifti": (
            {"contents": (tf.string, [None]), "seed": seed},
            {
                "label": (tf.int32, volume),
                "affine": (tf.float32, [None, 4, 4]),
                "label_values": (tf.int32, [None, 3]),
            },
        ),
    }


def test_serves_where_neither_keras_nor_this_library_can_be_imported(
    exported, tmp_path
):
    image, affine = volumes()
    inputs = {
        "serving_default": {"image": preprocessed(), "seed": SEEDS},
        "segment_volume": {"image": image, "affine": affine, "seed": SEEDS},
        "segment_nifti": {"contents": np.array(nifti_files(), object), "seed": SEEDS},
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
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
    label = _segment(exported, image, affine)
    np.testing.assert_array_equal(outputs["segment_volume/label"], label)
    np.testing.assert_array_equal(outputs["segment_nifti/label"], label)
    np.testing.assert_array_equal(outputs["segment_nifti/affine"], affine)


def test_label_is_what_predict_finds_most_probable(exported):
    served = _serve(exported)
    probabilities = exported.model.predict(
        {"image": preprocessed(), "seed": SEEDS}, verbose=0
    )
    np.testing.assert_array_equal(served["label"], probabilities.argmax(axis=-1))
    np.testing.assert_allclose(served["probabilities"], probabilities, atol=1e-5)
    np.testing.assert_allclose(served["probabilities"].sum(axis=-1), 1.0, atol=1e-5)
    # All classes are there: labels of one class alone would always agree.
    assert set(np.unique(served["label"])) == {0, 1, 2}


def test_seed_chooses_the_noise(exported):
    first = _serve(exported)
    np.testing.assert_array_equal(_serve(exported)["label"], first["label"])
    other = _serve(exported, seed=SEEDS + np.array([0, 1], np.int32))
    np.testing.assert_array_equal(other["label"][0], first["label"][0])
    assert np.any(other["label"][1] != first["label"][1])


def test_a_batch_gives_what_its_examples_give_alone(exported):
    together = _serve(exported)["label"]
    image, affine = volumes()
    segmented = _segment(exported, image, affine)
    for index in range(2):
        one = slice(index, index + 1)
        alone = _serve(exported, preprocessed()[one], SEEDS[one])["label"]
        np.testing.assert_array_equal(alone[0], together[index])
        alone = _segment(exported, image[one], affine[one], SEEDS[one])
        np.testing.assert_array_equal(alone[0], segmented[index])


def test_segment_volume_is_the_segmenter(exported):
    image, affine = volumes()
    label = _segment(exported, image, affine)
    assert label.shape == image.shape[:4]
    values = set(np.unique(label))
    assert len(values) > 1
    assert values <= set(LABEL_VALUES)
    for index in range(2):
        expected = exported.segmenter(image[index], affine[index], SEEDS[index])
        np.testing.assert_array_equal(label[index], expected)


def test_any_shape_is_served(exported):
    for shape in [(1, 1, 1), (8, 9, 3)]:
        served = _serve(exported, preprocessed(1, shape), SEEDS[:1])
        assert served["label"].shape == (1, *shape)


def test_segment_nifti_is_segment_volume_of_the_file(exported):
    image, affine = volumes()
    for compressed in (True, False):
        files = nifti_files(compressed)
        outputs = exported.run("segment_nifti", contents=files, seed=SEEDS)
        np.testing.assert_array_equal(
            outputs["label"], _segment(exported, image, affine)
        )
        np.testing.assert_array_equal(outputs["affine"], affine)
        np.testing.assert_array_equal(outputs["label_values"], [LABEL_VALUES] * 2)


def test_uncertainty_is_the_entropy_on_the_grid_of_the_file(exported):
    image, affine = volumes()
    outputs = exported.run("segment_volume", image=image, affine=affine, seed=SEEDS)
    for index in range(2):
        expected = exported.segmenter.predict(image[index], affine[index], SEEDS[index])
        np.testing.assert_allclose(
            outputs["uncertainty"][index], expected.entropy, atol=1e-4
        )
    # Padding on the way back is background and certain; the rest is not.
    assert outputs["uncertainty"].max() > 0.1


def test_several_samples_are_averaged(tmp_path):
    exported = ExportedToy(tmp_path, num_samples=3, batch_size=2)
    image, affine = volumes()
    outputs = exported.run("segment_volume", image=image, affine=affine, seed=SEEDS)
    expected = exported.segmenter.predict(image[1], affine[1], SEEDS[1], 3, 2)
    np.testing.assert_array_equal(
        outputs["label"][1], np.array(LABEL_VALUES)[expected.class_ids]
    )
    np.testing.assert_allclose(outputs["uncertainty"][1], expected.entropy, atol=1e-4)
    image = preprocessed()
    one, other = (
        exported.model.sample(tf.constant(image), tf.constant(seeds))
        for seeds in (SEEDS, SEEDS + 1)
    )
    served = _serve(exported)["probabilities"]
    assert np.abs(served - one).max() > 1e-3 and np.abs(one - other).max() > 1e-3


def test_half_weights_and_a_fixed_batch(tmp_path):
    exported = ExportedToy(tmp_path, weights="float16", request_batch=2)
    for signature in exported.signatures.values():
        for spec in signature.structured_input_signature[1].values():
            assert spec.shape[0] == 2
    served = _serve(exported)["probabilities"]
    for weight in exported.model.trainable_weights:
        weight.assign(tf.cast(tf.cast(weight.value, "float16"), tf.float32))
    image, seeds = tf.constant(preprocessed()), tf.constant(SEEDS)
    expected = tf.function(exported.model.sample)(image, seeds)
    np.testing.assert_allclose(served, expected, atol=1e-5)
    checkpoint = tf.train.load_checkpoint(str(exported.path / "variables/variables"))
    stored = checkpoint.get_variable_to_dtype_map()
    found = [dtype for name, dtype in stored.items() if name.startswith("weights")]
    assert found == [tf.float16] * len(exported.model.trainable_weights)


def test_a_model_without_diffusion_takes_a_seed_as_well(tmp_path):
    supervised = ExportedToy(tmp_path, model_options={"strategy": "supervised"})
    first, second = _serve(supervised), _serve(supervised, seed=SEEDS + 1)
    np.testing.assert_array_equal(first["probabilities"], second["probabilities"])
    image, affine = volumes()
    assert _segment(supervised, image, affine).shape == image.shape[:4]
