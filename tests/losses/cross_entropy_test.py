"""Cross-entropy: closed forms."""

import numpy as np
import pytest

from tf_diffseg.losses.cross_entropy import cross_entropy_loss


@pytest.mark.parametrize("num_classes", [2, 5])
def test_equal_logits_give_the_log_of_the_number_of_classes(num_classes):
    mask = np.eye(num_classes, dtype=np.float32)[[[0, 1, 1]]]

    loss = cross_entropy_loss(mask, np.zeros_like(mask))

    np.testing.assert_allclose(loss, [np.log(num_classes)], rtol=1e-6)


def test_overlapping_classes_give_the_mean_of_binary_losses():
    mask = np.float32([[[1, 0], [1, 1]]])
    logits = np.float32([[[2, -1], [-0.5, 0]]])
    probabilities = 1.0 / (1.0 + np.exp(-logits))

    loss = cross_entropy_loss(mask, logits, exclusive=False)

    expected = -np.log(np.where(mask, probabilities, 1.0 - probabilities)).mean()
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)
