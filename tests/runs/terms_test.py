"""Weights made from others keep saying under what terms those are shared."""

import dataclasses
import json

import pytest

import tf_diffseg
from tests.runs.toy_run import MANIFEST, toy_run
from tf_diffseg.reports.model_card import model_card
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.initial_weights import remember
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.terms import terms_of_source, terms_text
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.training.saving.initial_weights import InitialWeights

_SHARED_ALIKE = "CC-BY-SA 4.0"


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory):
    """A run that began from another, which began from the model of the package."""
    folder = tmp_path_factory.mktemp("runs")
    first, second = folder / "first", folder / "second"
    for run, source in ((first, "hippocampus"), (second, first)):
        toy_run(run, init_from=str(source))
        _begin_from(source, run)
    return second


def _begin_from(source, run):
    taken = InitialWeights(str(source), 1, 1, [], [])
    config = dataclasses.replace(TrainConfig(), init_from=str(source))
    remember(taken, config, RunFolder(run))


def test_a_run_says_all_that_it_began_from(fine_tuned, capsys):
    run, shipped = RunFolder(fine_tuned).initial_terms()
    assert run == {"source": "first", "license": "CC0", "attribution": None}
    assert shipped["license"].startswith(_SHARED_ALIKE)
    assert "Medical Segmentation Decathlon" in shipped["attribution"]
    _begin_from("hippocampus", fine_tuned.parent / "first")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: the weights of hippocampus/1 are under CC-BY-SA 4.0")


def test_a_checkpoint_and_a_preset_say_what_their_run_does(fine_tuned, tmp_path):
    expected = [each["license"] for each in terms_of_source(fine_tuned)]
    assert len(expected) == 3
    tf_diffseg.save_to_preset(fine_tuned, tmp_path / "preset")
    assert RunFolder(tmp_path / "preset").config().init_from == "first"
    checkpoint = fine_tuned / "checkpoints" / "epoch-00001.keras"
    for source in (checkpoint, tmp_path / "preset"):
        assert [each["license"] for each in terms_of_source(source)] == expected
    # A preset of a run without a source, in its place, has nothing of it.
    tf_diffseg.save_to_preset(toy_run(tmp_path / "plain"), tmp_path / "preset")
    assert len(terms_of_source(tmp_path / "preset")) == 1


def test_a_card_has_them_and_no_path_of_this_machine(fine_tuned):
    trained = TrainedModels([fine_tuned], InferenceOptions())
    metrics = {"inference": {"checkpoints": [str(trained.checkpoints[0])]}}
    card = json.loads(json.dumps(model_card(trained, "toy", {}, metrics)))
    assert card["initial_weights"] == RunFolder(fine_tuned).initial_terms()
    assert card["metrics"]["inference"]["checkpoints"] == ["epoch-00001.keras"]
    assert str(fine_tuned.parent) not in json.dumps(card)


@pytest.mark.parametrize("source", ["a.weights.h5", "nothing/there", ""])
def test_nothing_is_known_of_a_file_of_weights(source):
    assert terms_of_source(source) == []


@pytest.mark.parametrize("license_", ["unknown", "", None])
def test_a_license_that_is_not_known_is_not_told(license_):
    terms = [{"source": "a", "license": license_, "attribution": "b"}]
    assert terms_text(terms) == ""
    assert MANIFEST.license in terms_text([terms[0] | {"license": MANIFEST.license}])
