"""Scores of cases as JSON, from which they can be read again."""

import dataclasses

import numpy as np

from tf_diffseg.evaluation.case_scores import CaseScores
from tf_diffseg.metrics import CaseMetrics


def scores_to_json(scores):
    """A JSON-able dict of `CaseScores`; NaN becomes None."""
    return _plain(dataclasses.asdict(scores))


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if value != value else value


def scores_from_json(fields):
    """`CaseScores` from the dict of `scores_to_json`, of equal values."""
    metrics = {name: _array(values) for name, values in fields["metrics"].items()}
    metrics["surface_dice"] = tuple(metrics["surface_dice"])
    numbers = {
        name: _array(value)[()]
        for name, value in fields.items()
        if name not in ("uid", "metrics", "ignored_voxels")
    }
    return CaseScores(**{**fields, **numbers, "metrics": CaseMetrics(**metrics)})


def _array(values):
    return np.array(values, np.float64)  # None becomes NaN.
