"""What is compared: evaluations and models, checked before any is evaluated."""

import dataclasses

import pytest

from tests.data_tools.cube_shards import cube_shards
from tests.runs import toy_evaluation as toy
from tests.runs.toy_run import toy_run
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.results_folder import read_values
from tf_diffseg.reports import evaluation_report
from tf_diffseg.runs import evaluation
from tf_diffseg.runs.compared_runs import find_compared


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Shards of cubes, in three splits."""
    folder = tmp_path_factory.mktemp("data")
    fractions = {"train": 0.4, "test": 0.3, "rest": 0.3}
    return cube_shards(folder, folder / "shards", fractions, num_cases=8)


@pytest.fixture(scope="module")
def run(data):
    """A run of two epochs."""
    return toy_run(
        data.parent / "run", read_manifest(data), (1, 2), strategy="supervised"
    )


def _write_evaluation(folder, data, cases, split="test"):
    """Writes a folder as experiments.evaluate does, of these scores."""
    volumes = dict.fromkeys([case.uid for case in cases], toy.volumes())
    evaluation_report.write(cases, volumes, read_manifest(data), split, folder)
    return folder


@pytest.mark.slow
def test_a_run_is_evaluated_even_if_it_holds_tables(data, run, tmp_path):
    checkpoint = run / "checkpoints" / "epoch-00001.keras"
    cases = evaluation.evaluate_run(run, data, "test")
    results = _write_evaluation(tmp_path / "results", data, cases)
    (run / "metrics.csv").write_bytes((results / "metrics.csv").read_bytes()[:-200])
    (run / "metrics.json").write_text("{}")
    compared = find_compared([run, checkpoint, results], "dice", data)
    tables = [one.values() for one in compared]
    (run / "metrics.csv").unlink()
    # The same to the last digit: what does not differ is no difference to be tested.
    for name, values in read_values(results, "dice").items():
        assert tables[0][name] == values
    assert tables[1]["cube"] != pytest.approx(tables[0]["cube"], abs=1e-5)
    assert {tuple(one.data.items()) for one in compared} == {
        (("dataset", read_manifest(data).dataset), ("split", "test"))
    }


def test_all_are_checked_before_any_is_evaluated(data, run, tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("evaluated too early")

    monkeypatch.setattr(evaluation, "evaluate_run", fail)
    other = dataclasses.replace(
        read_manifest(data), class_names=["background", "liver"]
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = run / "checkpoints" / "epoch-00009.keras"
    not_trained = toy_run(tmp_path / "new", read_manifest(data), epochs=())
    for path, message in {
        tmp_path / "none": "none does not exist, expected a folder with the metr",
        empty: "empty holds no metrics.csv, expected .*, a training run or a check",
        missing: "epoch-00009.keras does not exist, expected a checkpoint",
        not_trained: "has no checkpoint yet",
        toy_run(tmp_path / "other", other): "was trained on data with class_names",
    }.items():
        with pytest.raises(InputError, match=message):
            find_compared([run, path], "dice", data)
    with pytest.raises(InputError, match="no split 'nope'"):
        find_compared([run, run], "dice", data, "nope")
    with pytest.raises(
        InputError, match="run holds no metrics.csv.*; `data_dir` evaluates"
    ):
        find_compared([run, run], "dice")


def test_an_evaluation_must_be_of_the_data_and_split_asked_for(data, run, tmp_path):
    cases = [toy.scores("a", 0.8), toy.scores("b", 0.9)]
    results = _write_evaluation(tmp_path / "results", data, cases)
    rest = _write_evaluation(tmp_path / "rest", data, cases, "rest")
    assert len(find_compared([results, results], "dice", split="test")) == 2
    with pytest.raises(InputError, match="results was evaluated on the split test, no"):
        find_compared([run, results], "dice", data, "rest")
    with pytest.raises(InputError, match="rest is of the split rest of .*, .*results"):
        find_compared([results, rest], "dice")
    (results / "metrics.json").unlink()
    with pytest.raises(InputError, match="on the dataset one that its metrics.json do"):
        find_compared([run, results], "dice", data)
    (results / "metrics.json").write_text("[")
    with pytest.raises(InputError, match="metrics.json is not of experiments.evaluate"):
        find_compared([results, results], "dice")


def _table(folder, rows):
    folder.mkdir()
    lines = ["uid,class_id,class_name,dice", *rows, "mean,,foreground,0.5"]
    (folder / "metrics.csv").write_text("\n".join(lines))
    return folder


def test_other_cases_and_classes_are_refused(tmp_path):
    first = _table(tmp_path / "a", ["case0,1,liver,0.5", "case1,1,liver,0.6"])
    fewer = _table(tmp_path / "b", ["case0,1,liver,0.5"])
    other = _table(tmp_path / "c", ["case0,1,spleen,0.5", "case1,1,spleen,0.6"])
    with pytest.raises(InputError, match="b and .*a are of other cases; 1 .* as case1"):
        find_compared([first, fewer], "dice")
    with pytest.raises(InputError, match="c has the classes spleen, foreground, .*a h"):
        find_compared([first, other], "dice")
