"""Runs made ready to segment: options, windows, ensembles."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.runs.toy_run import MANIFEST, TWO_LEVELS, WINDOW, toy_run
from tf_diffseg.data.manifest import Split
from tf_diffseg.errors import InputError
from tf_diffseg.runs.export import ExportOptions, export_run
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.pretrained import load_pretrained
from tf_diffseg.runs.segmentation.segmenter import load_segmenter
from tf_diffseg.runs.trained_models import TrainedModels, paths_with
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.window_progress import WindowProgress


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "diffusion": toy_run(folder / "diffusion", epochs=(1, 2)),
        "supervised": toy_run(
            folder / "supervised", strategy="supervised", epochs=(3,)
        ),
    }


def _image(shape=WINDOW):
    return np.random.default_rng(0).normal(size=(*shape, 1)).astype(np.float32)


def _sample(trained, image, seed=3):
    sample = tf.function(trained.segmenter().sample)
    return sample(tf.constant(image[np.newaxis]), tf.constant([seed]))[0].numpy()


def test_a_volume_of_one_window_is_sampled_as_by_the_model_itself(runs):
    options = InferenceOptions(num_timesteps=2)
    trained = TrainedModels([runs["diffusion"]], options)
    (model,) = trained.models
    image = tf.constant(_image()[np.newaxis])
    expected = tf.function(model.sample)(image, tf.constant([3]))[0]
    np.testing.assert_array_equal(_sample(trained, _image()), expected)
    assert [path.name for path in trained.checkpoints] == ["epoch-00002.keras"]


@pytest.mark.parametrize(
    "options, expected",
    [
        pytest.param({}, "float32", marks=pytest.mark.slow),
        ({"precision": "mixed_bfloat16"}, "mixed_bfloat16"),
    ],
)
def test_an_export_computes_in_its_own_precision(tmp_path, options, expected):
    half = {"precision": "mixed_bfloat16", "strategy": "supervised"}
    run = toy_run(tmp_path / "run", **half)
    trained = TrainedModels([run], InferenceOptions())
    assert trained.models[0].dtype_policy.name == "mixed_bfloat16"
    options = ExportOptions(server_files=False, **options)
    version = export_run(trained, tmp_path / "export", options)
    assert load_pretrained(version).dtype_policy.name == expected


def test_windows_have_the_shape_that_the_run_was_trained_on(runs):
    trained = TrainedModels([runs["supervised"]], InferenceOptions(overlap=0.0))
    image = _image((16, 8, 6))
    halves = [_sample(trained, half) for half in np.split(image, 2)]
    np.testing.assert_allclose(
        _sample(trained, image), np.concatenate(halves), atol=1e-5
    )


def test_options_choose_another_shape_of_windows(runs):
    image = _image((16, 8, 6))
    options = InferenceOptions(window_shape=(16, 8, 6))
    trained = TrainedModels([runs["supervised"]], options)
    whole = trained.models[0].sample(tf.constant(image[np.newaxis]), tf.constant([3]))
    np.testing.assert_allclose(_sample(trained, image), whole[0], atol=1e-5)


@pytest.mark.parametrize("num_timesteps, sampler", [(3, "ddpm"), (9, "ddim")])
def test_options_choose_the_sampler_and_its_steps(runs, num_timesteps, sampler):
    options = InferenceOptions(num_timesteps=num_timesteps, sampler=sampler)
    trained = TrainedModels([runs["diffusion"]], options)
    (model,) = trained.models
    assert model.sampler.draws_noise == (sampler == "ddpm")
    segmenter = trained.segmenter(with_steps=True)
    steps = segmenter.sample(_image()[np.newaxis], tf.constant([0]))
    assert steps.shape == (1, *WINDOW, num_timesteps, 3)
    np.testing.assert_allclose(tf.reduce_sum(steps, axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("eta, expected", [(None, 0.0), (0.5, 0.5)])
def test_eta_is_that_of_the_options_or_of_the_run(runs, eta, expected):
    trained = TrainedModels([runs["diffusion"]], InferenceOptions(eta=eta))
    assert trained.models[0].sampler.eta == expected


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sampler": "ddpm", "eta": 0.5}, "^sampler=ddpm has no option eta"),
        ({"num_timesteps": 4}, "^num_timesteps=4 does not evenly divide"),
    ],
)
def test_options_that_do_not_fit_the_sampler_are_refused(runs, options, message):
    trained = TrainedModels([runs["diffusion"]], InferenceOptions(**options))
    with pytest.raises(InputError, match=message):
        trained.segmenter()


@pytest.mark.slow
def test_an_ensemble_of_checkpoints_and_of_a_supervised_model_is_their_mean(runs):
    first = runs["diffusion"] / "checkpoints" / "epoch-00001.keras"
    paths = [runs["diffusion"], first, runs["supervised"]]
    alone = [
        _sample(TrainedModels([path], InferenceOptions()), _image()) for path in paths
    ]
    together = TrainedModels(paths, InferenceOptions())
    np.testing.assert_allclose(
        _sample(together, _image()), np.mean(alone, axis=0), atol=1e-6
    )
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    steps = together.segmenter(with_steps=True).sample(
        _image()[np.newaxis], tf.constant([3])
    )
    assert steps.shape == (1, *WINDOW, 5, 3)
    np.testing.assert_allclose(steps[0, ..., -1, :], np.mean(alone, axis=0), atol=1e-6)


def test_an_ensemble_may_have_one_further_path(runs):
    for one in (runs["supervised"], str(runs["supervised"])):
        assert paths_with("a", one) == paths_with("a", [one]) == ["a", one]
    with pytest.raises(InputError, match="nowhere holds no config.json"):
        load_segmenter(runs["diffusion"], ensemble_with="nowhere")


def test_early_exit_counts_the_steps_it_saves(runs):
    trained = TrainedModels([runs["diffusion"]], InferenceOptions(early_exit=0.999))
    _sample(trained, _image())
    assert trained.saved_steps == 3.0
    assert TrainedModels([runs["diffusion"]], InferenceOptions()).saved_steps is None


def test_a_supervised_run_refuses_options_of_sampling(runs):
    for name, value in {
        "sampler": "ddpm",
        "num_timesteps": 3,
        "early_exit": 0.1,
        "num_samples": 2,
    }.items():
        options = InferenceOptions(**{name: value})
        with pytest.raises(InputError, match=f"^{name} does not apply: the run in"):
            TrainedModels([runs["supervised"]], options)
        assert TrainedModels([runs["supervised"], runs["diffusion"]], options)


def test_a_path_that_is_no_model_is_named(runs, tmp_path):
    with pytest.raises(InputError, match="holds no config.json"):
        TrainedModels([tmp_path], InferenceOptions())
    with pytest.raises(InputError, match="x.keras does not exist"):
        TrainedModels([tmp_path / "x.keras"], InferenceOptions())
    with pytest.raises(InputError, match="expected a run folder or the folder of an"):
        load_segmenter(tmp_path)
    other = dataclasses.replace(MANIFEST, label_values=[0, 1, 2])
    run = toy_run(tmp_path / "other", other, epochs=())
    with pytest.raises(InputError, match="no checkpoint yet"):
        TrainedModels([run], InferenceOptions()).checkpoints  # noqa: B018
    with pytest.raises(InputError, match="label_values"):
        TrainedModels([runs["diffusion"], run], InferenceOptions())


def test_trained_cases_are_not_evaluated_on(runs):
    trained = TrainedModels([runs["diffusion"]], InferenceOptions())
    trained.check_data(MANIFEST, "test")
    seen = dataclasses.replace(MANIFEST, splits={"test": Split(["a"], [], {})})
    with pytest.raises(InputError, match="^split=test .* was trained on: a"):
        trained.check_data(seen, "test")


def test_a_label_map_is_cleaned_by_class_not_by_value(runs):
    # Class 1 has the value 6 in label files, class 2 the value 1.
    segmenter = load_segmenter(runs["supervised"])
    image = Volume("scan", _image((8, 16, 12)), np.diag([2.0, 1.0, 1.0, 1.0]))
    plain = segmenter.segment(image, with_uncertainty=True)
    cleaned = load_segmenter(runs["supervised"], largest_component=True)
    label = cleaned.segment(image).label
    expected = cleaned.options.post_processing()(
        np.array([0, 2, 0, 0, 0, 0, 1])[plain.label], 0.002
    )
    np.testing.assert_array_equal(label, np.array([0, 6, 1])[expected])
    assert (label != plain.label).any()
    volumes = plain.volumes(segmenter.class_names, segmenter.label_values, 0.002)
    assert volumes["liver"]["volume_ml"] == pytest.approx(
        np.count_nonzero(plain.label == 6) * 0.002
    )
    assert volumes["liver"]["samples_ml"] == [volumes["liver"]["volume_ml"]]


def test_a_network_of_two_branches_shares_encodings(runs, tmp_path):
    two = toy_run(tmp_path / "two", mask_branch=(4,), **TWO_LEVELS)
    for path, shares in ((two, True), (runs["diffusion"], False)):
        trained = TrainedModels([path], InferenceOptions())
        assert trained.segmenter().shares_encoding == shares


def test_windows_of_a_scan_are_counted_for_its_progress(runs, monkeypatch):
    calls = []
    monkeypatch.setattr(
        WindowProgress,
        "__call__",
        lambda self, *counts: calls.append((self._name, *map(int, counts))),
    )
    segmenter = load_segmenter(runs["supervised"], overlap=0.0)
    with segmenter.progress_of("scan_1"):
        segmenter.segment(Volume("scan.nii", _image((16, 8, 6)), np.eye(4)))
    assert calls == [("scan_1", 1, 2)] * 2
