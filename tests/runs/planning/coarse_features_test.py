"""Little time makes features coarser where classes are large, then patches smaller."""

import itertools
import math

import pytest

from tests.runs.planning.fingerprints import drawn_values, manifest_of
from tf_diffseg.errors import InputError
from tf_diffseg.models.unet_arguments import shape_multiple
from tf_diffseg.runs.planning.coarse_features import (
    patch_sizes,
    relative_cost,
    smallest_class_mm,
)
from tf_diffseg.runs.planning.recommender import Recommender
from tf_diffseg.runs.planning.step_memory import step_gib

_LARGE_MM = 1000.0
_TIMES = (1e7, 3e6, 1e6, 3e5, 1e5, 3e4, 1e4, 1.0)
DRAWN = [values for values, _ in drawn_values(60)]


def _recommend(most_voxels, given=None, **values):
    recommender = Recommender(manifest_of(**values), 64.0, given, most_voxels)
    recommender.choose_network()
    return recommender


@pytest.mark.parametrize(
    "shape, spacing_mm, smallest_mm, expected",
    [
        ((149, 144, 62), (0.98, 0.98, 3.27), 90.0, [(1, 1, 1), (2, 2, 1), (4, 4, 1)]),
        ((149, 144, 62), (0.7, 0.7, 5.0), 90.0, [(1, 1, 1), (2, 2, 1), (4, 4, 1)]),
        # 12 features of 2 mm fit into 24 mm, of 4 mm they do not.
        ((149, 144, 62), (0.98, 0.98, 3.27), 24.0, [(1, 1, 1), (2, 2, 1)]),
        ((149, 144, 62), (0.98, 0.98, 3.27), 23.0, [(1, 1, 1)]),
        ((149, 144, 62), (0.98, 0.98, 3.27), 0.0, [(1, 1, 1)]),
        ((200, 200, 200), (1.0, 1.0, 1.0), 90.0, [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        ((480, 512, 1), (1.0, 1.0, 1.0), 90.0, [(1, 1, 1), (2, 2, 1), (4, 4, 1)]),
        ((120, 140, 60), (1.0, 1.0, 1.3), 90.0, [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        ((30, 16, 15), (1.0, 1.0, 1.0), 90.0, [(1, 1, 1), (2, 2, 1)]),
        ((15, 15, 15), (1.0, 1.0, 1.0), 90.0, [(1, 1, 1)]),
    ],
)
def test_features_are_first_made_as_wide_as_long(
    shape, spacing_mm, smallest_mm, expected
):
    assert patch_sizes(shape, spacing_mm, smallest_mm) == expected
    turned = [tuple(size[axis] for axis in (2, 0, 1)) for size in expected]
    shape, spacing_mm = (
        [each[axis] for axis in (2, 0, 1)] for each in (shape, spacing_mm)
    )
    assert patch_sizes(shape, spacing_mm, smallest_mm) == turned


def test_classes_are_as_large_as_the_assumed_voxels():
    """The wall of a heart whose headers claim slices of 1 mm is larger than 15 ml."""
    values = {"shape": (216, 256, 9), "class_ml": 15.0}
    claimed = _recommend(1e5, spacing_mm=(1.0, 1.0, 1.0), **values)
    values["class_ml"] *= 64 / 9
    true = _recommend(1e5, spacing_mm=(1.0, 1.0, 64 / 9), **values)
    assert claimed.config == true.config
    assert claimed.config.patch_size == (4, 4, 1)


@pytest.mark.parametrize("values", DRAWN)
@pytest.mark.parametrize("class_ml", [None, 0.5, 50.0])
def test_a_feature_is_small_beside_a_class(values, class_ml):
    spacing_mm = values["spacing_mm"]
    diameter = smallest_class_mm([None, class_ml and {"median": class_ml}])
    sizes = patch_sizes(values["shape"], spacing_mm, diameter)
    assert sizes[0] == (1, 1, 1)
    for finer, coarser in itertools.pairwise(sizes):
        assert all(b in (a, 2 * a) for a, b in zip(finer, coarser, strict=True))
        assert coarser != finer and max(coarser) <= 4
        mm = [before * by for before, by in zip(finer, spacing_mm, strict=True)]
        is_doubled = [b > a for a, b in zip(finer, coarser, strict=True)]
        least = min(length for length, d in zip(mm, is_doubled, strict=True) if d)
        assert least == min(
            length
            for length, size, by in zip(mm, values["shape"], finer, strict=True)
            if math.ceil(size / by) >= 16
        )
        for before, by, mm in zip(finer, coarser, spacing_mm, strict=True):
            assert by == before or 12 * by * mm <= diameter


def test_the_smallest_class_is_a_ball_of_its_volume():
    radius_mm = 10.0
    ball_ml = 4.0 / 3.0 * math.pi * radius_mm**3 / 1000.0
    class_ml = [{"median": 1e4}, {"median": 8.0 * ball_ml}, None, {"median": ball_ml}]
    assert smallest_class_mm(class_ml) == pytest.approx(2.0 * radius_mm)
    assert smallest_class_mm([{"median": 1.0}]) == smallest_class_mm(None) == 0.0


@pytest.mark.parametrize("values", DRAWN)
def test_less_time_never_costs_more(values):
    plans = [_recommend(time, class_ml=500.0, **values).config for time in _TIMES]
    costs = [relative_cost(plan.patch_shape, plan.patch_size) for plan in plans]
    volumes = [math.prod(plan.patch_size) for plan in plans]
    assert costs == sorted(costs, reverse=True) and volumes == sorted(volumes)
    for plan, cost, time in zip(plans, costs, _TIMES, strict=True):
        least = relative_cost([16 * by for by in plan.patch_size], plan.patch_size)
        assert cost <= max(2.0 * time, least)
        number = len(plan.num_channels)
        multiple = shape_multiple(plan.patch_size, plan.scale_factor, number)
        pairs = zip(plan.patch_shape, multiple, strict=True)
        assert all(size % by == 0 for size, by in pairs)


def test_a_whole_volume_of_coarse_features_comes_before_a_small_patch():
    values = {"shape": (149, 144, 62), "spacing_mm": (0.98, 0.98, 3.27)}
    tried = [_recommend(time, class_ml=400.0, **values) for time in (3e6, 1e6, 3e5)]
    found = [each.config for each in tried]
    assert [c.patch_size for c in found] == [(1, 1, 1), (2, 2, 1), (4, 4, 1)]
    assert [c.patch_shape for c in found] == [(160, 160, 64)] * 3
    whole = found[0].scale_factor
    assert whole[0] == (2, 2, 1) and set(whole[1:]) == {(2, 2, 2)}
    assert found[1].scale_factor == (2, 2, 2)
    reasons = {choice.name: choice.why for choice in tried[1].choices}
    assert "would leave fewer than 1000 steps" in reasons["patch_size"]
    assert "cut" not in reasons["patch_shape"]
    small = _recommend(5e5, class_ml=0.1, **values).config
    assert small.patch_size == (1, 1, 1) and math.prod(small.patch_shape) <= 1e6


def test_finer_features_come_back_where_coarse_ones_do_not_fit_into_memory():
    values = {
        "shape": (200, 200, 200),
        "spacing_mm": (1.0, 1.0, 1.0),
        "num_classes": 16,
    }
    manifest = manifest_of(**values, class_ml=900.0)
    recommender = Recommender(manifest, 1.25, {}, most_voxels=5000.0)
    recommender.choose_network()
    assert recommender.config.patch_size == (2, 2, 2)
    with pytest.raises(InputError, match="smallest patch, 16x16x16, needs about 1.0"):
        Recommender(manifest, 1.0, {}, most_voxels=5000.0).choose_network()


@pytest.mark.parametrize("values", DRAWN[::4])
@pytest.mark.parametrize("memory_gib", [2.0, 4.0])
def test_little_memory_and_time_give_a_plan_within_both(values, memory_gib):
    for time in _TIMES:
        manifest = manifest_of(class_ml=500.0, **values)
        recommender = Recommender(manifest, memory_gib, {}, time)
        recommender.choose_network()
        config = recommender.config
        counts = values["num_classes"], values["num_channels"]
        assert step_gib(config, *counts) <= memory_gib


def test_given_values_stay():
    values = {"shape": (160, 160, 160), "spacing_mm": (1.0,) * 3, "class_ml": 400.0}
    config = _recommend(1e5, {"patch_shape": (96, 96, 96)}, **values).config
    assert config.patch_shape == (96, 96, 96) and config.patch_size == (1, 1, 1)
    config = _recommend(1e7, {"patch_size": (2, 2, 2)}, **values).config
    assert config.patch_size == (2, 2, 2)
    assert [size % 32 for size in config.patch_shape] == [0, 0, 0]
