"""Values of the losses against their formulas, voxel by voxel in NumPy."""

import numpy as np
import pytest

from tf_diffseg.losses import LOSSES, mean_over_present_classes

# Classes that overlap are held to another function than classes that do not.
_SOFTMAX, _SIGMOID = {}, {"exclusive": False}


def _volumes(exclusive):
    """Two examples: a mask, logits, and voxels whose class is known."""
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.standard_normal([2, 3, 4, 5, 3])
    mask = np.eye(3)[rng.integers(3, size=[2, 3, 4, 5])]
    if not exclusive:
        mask = rng.integers(2, size=logits.shape).astype(float)
    mask[1, ..., 2] = 0.0  # The second example lacks a class.
    return mask, logits, rng.random([2, 3, 4, 5]) < np.reshape([0.3, 0.8], [2, 1, 1, 1])


def _dice(mask, p):
    losses = [
        1.0 - 2.0 * np.sum(m * q) / (np.sum(m) + np.sum(q))
        for m, q in zip(mask.T, p.T, strict=True)
        if m.any()
    ]
    return np.mean(losses)


def _cross_entropy(mask, p, gamma=0.0):
    """Mean over the voxels of a mask and probabilities [voxels, classes]."""
    return np.mean(-np.sum(mask * (1.0 - p) ** gamma * np.log(p), axis=1))


def _binary_cross_entropy(mask, p, gamma=0.0):
    right = np.where(mask > 0.0, p, 1.0 - p)
    return np.mean(-((1.0 - right) ** gamma) * np.log(right))


def _expected(name, mask, logits, exclusive):
    """The loss of one example [voxels, classes]."""
    if exclusive:
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        entropy = _cross_entropy
    else:
        p = 1.0 / (1.0 + np.exp(-logits))
        entropy = _binary_cross_entropy
    if name == "dice_loss":
        return _dice(mask, p)
    return entropy(mask, p, gamma=2.0 if name == "focal_loss" else 0.0)


@pytest.mark.parametrize("name", ["dice_loss", "cross_entropy", "focal_loss"])
@pytest.mark.parametrize("options", [_SOFTMAX, _SIGMOID], ids=["softmax", "sigmoid"])
@pytest.mark.parametrize("only_some", [False, True])
def test_every_loss_has_the_value_of_its_formula(name, options, only_some):
    exclusive = options is _SOFTMAX
    mask, logits, known = _volumes(exclusive)
    known = known if only_some else np.ones_like(known)

    given = {"is_labelled": known} if only_some else {}
    loss = LOSSES[name](mask, logits, **options, **given)

    expected = [
        _expected(name, mask[i][known[i]], logits[i][known[i]], exclusive)
        for i in range(2)
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-9)


def test_the_mean_over_present_classes_counts_each_of_them_once():
    mask, *_ = _volumes(exclusive=True)
    loss = np.array([[0.1, 0.2, 0.6], [0.5, 0.3, 1.0]])
    all_classes = mean_over_present_classes(loss, mask)
    np.testing.assert_allclose(all_classes, [0.3, 0.4])
    foreground = mean_over_present_classes(loss, mask, include_background=False)
    np.testing.assert_allclose(foreground, [0.4, 0.3])
