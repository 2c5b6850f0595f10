import json

import numpy as np
import pytest

from data_tools.manifest import Manifest
from experiments import evaluation_report
from experiments.evaluation import CaseScores, CaseVolumes

MANIFEST = Manifest(
    dataset="phantom",
    modality="MRI",
    license="CC0",
    class_names=["background", "liver"],
    label_values=[0, 1],
    channel_names=["T1"],
    preprocessing={},
    splits={},
)


def _scores(uid, dice):
    return CaseScores(
        uid=uid,
        dice_per_step=np.array([[0.9, dice]]),
        hd95_mm=np.ones(2),
        true_volume_ml=np.ones(2),
        predicted_volume_ml=np.ones(2),
    )


CASES = [
    _scores(uid, dice)
    for uid, dice in {"a": 0.5, "b": np.nan, "c": 0.9, "d": 0.1}.items()
]


def test_worst_median_and_best_are_drawn():
    drawn = evaluation_report.drawn_cases(CASES)
    assert drawn == {"worst": "d", "median": "a", "best": "c"}
    assert evaluation_report.drawn_cases(CASES[:1]) == dict.fromkeys(drawn, "a")
    assert evaluation_report.drawn_cases(CASES[1:2]) == {}


def test_only_the_volumes_of_drawn_cases_are_needed(tmp_path):
    label = np.zeros((8, 8, 8), np.int32)
    label[2:6, 2:6, 2:6] = 1
    image = label[..., np.newaxis].astype(np.float32)
    volumes = CaseVolumes(image, np.ones(3), label, label)
    drawn = dict.fromkeys("acd", volumes)
    evaluation_report.write(CASES, drawn, MANIFEST, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {"best.png", "median.png", "worst.png"}
    assert names == pictures | {"metrics.csv", "metrics.json"}
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["mean_foreground_dice"] == 0.5
    assert summary["classes"]["liver"]["num_absent"] == 1


def test_metrics_json_is_written_last(tmp_path):
    with pytest.raises(KeyError):
        evaluation_report.write(CASES, {}, MANIFEST, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
