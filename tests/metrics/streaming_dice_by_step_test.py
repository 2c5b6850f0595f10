"""Each step has a streaming Dice of its own."""

import numpy as np
import pytest

from tf_diffseg.metrics import StreamingDice, StreamingDiceByStep


@pytest.mark.parametrize("from_masks", [False, True])
def test_each_step_is_a_streaming_dice_of_its_own(from_masks):
    rng = np.random.default_rng(0)
    shape = (2, 4, 4, 4, 3) if from_masks else (2, 4, 4, 4)
    batches = rng.integers(0, 2 if from_masks else 3, (4, 2, *shape))
    steps = [0, 2, 0, 3]
    by_step = StreamingDiceByStep(4, 3, from_masks=from_masks)
    single = [StreamingDice(3, from_masks=from_masks) for _ in range(4)]
    weights = [1.0, 0.0]
    for step, (truth, predicted) in zip(steps, batches, strict=True):
        by_step.update_state(truth, predicted, weights, step=step)
        single[step].update_state(truth, predicted, weights)
    np.testing.assert_allclose(by_step.result(), [m.result() for m in single])
    np.testing.assert_allclose(by_step.per_class(), [m.per_class() for m in single])
    assert by_step.result()[1] == 0.0  # no volume
    assert min(by_step.result().numpy()[[0, 2, 3]]) > 0.1


def test_config_rebuilds_it():
    metric = StreamingDiceByStep(5, 3, include_background=True)
    config = metric.get_config()
    assert StreamingDiceByStep.from_config(config).get_config() == config
    assert config["num_steps"] == 5 and config["include_background"]


def test_the_step_is_the_first_unless_told_otherwise():
    labels = np.random.default_rng(0).integers(0, 3, (2, 2, 4, 4, 4))
    metric, first = (StreamingDiceByStep(3, 3) for _ in range(2))
    metric.update_state(*labels)
    first.update_state(*labels, step=0)
    np.testing.assert_array_equal(metric.result(), first.result())
