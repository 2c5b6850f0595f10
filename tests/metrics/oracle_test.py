"""Comparison of metrics with MONAI and with DeepMind's surface-distance.

MONAI defines a surface by the same voxels, so its values are equal. DeepMind measures
a surface between the voxels, weighted by area: for smooth shapes its values differ by
the size of a voxel. (For noise its surface Dice is 0.89, while ours and MONAI's is
0.83.)
"""

import numpy as np
import pytest
from scipy import ndimage

from tf_diffseg.metrics.per_class import case_metrics

_SPACING_MM = (0.8, 1.0, 2.5)
_AFFINE = np.diag([*_SPACING_MM, 1.0])


def _ellipsoid(centre_mm, radii_mm, shape=(56, 44, 20)):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    scaled = (grid * _SPACING_MM - centre_mm) / radii_mm
    return np.linalg.norm(scaled, axis=-1) <= 1.0


def _blob(seed, shape=(30, 26, 18)):
    """A shape with bays, islands and thin walls."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 2.0) > 0.05


_SMOOTH = {
    "ellipsoids": (
        _ellipsoid((20.0, 21.0, 24.0), (12.0, 14.0, 16.0)),
        _ellipsoid((22.0, 20.0, 25.0), (13.0, 12.0, 17.0)),
    ),
    "apart": (
        _ellipsoid((10.0, 12.0, 15.0), (6.0, 7.0, 9.0)),
        _ellipsoid((32.0, 30.0, 30.0), (7.0, 7.0, 7.0)),
    ),
    "same": (_ellipsoid((20.0, 21.0, 24.0), (12.0, 14.0, 16.0)),) * 2,
    "at the border": (
        _ellipsoid((0.0, 0.0, 0.0), (20.0, 20.0, 20.0)),
        _ellipsoid((2.0, 0.0, 0.0), (20.0, 20.0, 20.0)),
    ),
}
_PAIRS = {**_SMOOTH, "blobs": (_blob(0), _blob(1))}


def _ours(pair, tolerance_mm):
    truth, predicted = (mask.astype(np.int32) for mask in pair)
    return case_metrics(truth, predicted, 2, _AFFINE, (tolerance_mm,))


def _needs(name):
    return pytest.importorskip(
        name, reason=f"{name} is not installed: pip install '.[oracle]'"
    )


@pytest.mark.parametrize("pair", _PAIRS.values(), ids=_PAIRS)
def test_monai_gives_the_same(pair):
    torch, monai = _needs("torch"), _needs("monai.metrics")
    truth, predicted = (torch.tensor(mask)[None, None] for mask in pair)
    settings = {"include_background": True, "spacing": _SPACING_MM}
    metrics = _ours(pair, tolerance_mm=1.5)
    found = {
        "dice": monai.compute_dice(predicted, truth),
        "iou": monai.compute_iou(predicted, truth),
        "hd_mm": monai.compute_hausdorff_distance(predicted, truth, **settings),
        "hd95_mm": monai.compute_hausdorff_distance(
            predicted, truth, percentile=95, **settings
        ),
        "assd_mm": monai.compute_average_surface_distance(
            predicted, truth, symmetric=True, **settings
        ),
    }
    for name, value in found.items():
        assert getattr(metrics, name)[1] == pytest.approx(value.item(), rel=1e-5), name
    surface_dice = monai.compute_surface_dice(
        predicted, truth, class_thresholds=[1.5], **settings
    )
    assert metrics.surface_dice[0][1] == pytest.approx(surface_dice.item(), abs=1e-6)


@pytest.mark.parametrize("pair", _SMOOTH.values(), ids=_SMOOTH)
def test_deepmind_gives_the_same_up_to_a_voxel(pair):
    deepmind = _needs("surface_distance")
    truth, predicted = pair
    distances = deepmind.compute_surface_distances(truth, predicted, _SPACING_MM)
    metrics = _ours(pair, tolerance_mm=4.0)
    assert metrics.dice[1] == pytest.approx(
        deepmind.compute_dice_coefficient(truth, predicted)
    )
    voxel_mm = np.linalg.norm(_SPACING_MM)
    for name, percent in {"hd_mm": 100, "hd95_mm": 95}.items():
        found = deepmind.compute_robust_hausdorff(distances, percent)
        assert getattr(metrics, name)[1] == pytest.approx(found, abs=voxel_mm), name
    there, back = deepmind.compute_average_surface_distance(distances)
    average = (there + back) / 2.0
    assert metrics.assd_mm[1] == pytest.approx(average, abs=0.2 * voxel_mm, rel=0.05)
    found = deepmind.compute_surface_dice_at_tolerance(distances, 4.0)
    assert metrics.surface_dice[0][1] == pytest.approx(found, abs=0.05)
