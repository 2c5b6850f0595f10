"""Made-up cases of an evaluation."""

import dataclasses

import numpy as np

from tf_diffseg.data.manifest import Manifest
from tf_diffseg.evaluation.case_scores import CaseScores, CaseVolumes
from tf_diffseg.evaluation.targets import Targets
from tf_diffseg.metrics import CaseMetrics

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
TARGETS = Targets(MANIFEST.class_names, [(1,)])


def scores(uid, dice, expected_dice=0.8, hd95_mm=1.0):
    """Scores of one class; it is absent if its Dice is NaN."""
    values = np.array([np.nan, dice])
    is_there = values * 0.0
    volume_ml = np.where(np.isnan(values), 0.0, 2.0)
    shares = {field.name: values for field in dataclasses.fields(CaseMetrics)}
    others = {
        "hd95_mm": hd95_mm + is_there,
        "hd_mm": 2.0 + is_there,
        "assd_mm": 0.5 + is_there,
        "surface_dice": (values, values / 2.0),
        "centroid_distance_mm": 3.0 + is_there,
        "true_volume_ml": volume_ml,
        "predicted_volume_ml": volume_ml.copy(),
        "volume_error_ml": is_there,
        "relative_volume_error": is_there,
        "ece": 0.1 + is_there,
    }
    return CaseScores(
        uid=uid,
        metrics=CaseMetrics(**shares | others),
        dice_per_step=np.stack([values / 2.0, values]),
        sample_volumes_ml=np.array([[9.0, 1.0], [9.0, 3.0]]),
        expected_dice=expected_dice,
        error_auroc=0.9,
    )


def volumes():
    """A cube in a cube."""
    label = np.zeros((8, 8, 8), np.int32)
    label[2:6, 2:6, 2:6] = 1
    image = label[..., np.newaxis].astype(np.float32)
    return CaseVolumes(image, np.ones(3), label, label, 0.3 * image[..., 0])
