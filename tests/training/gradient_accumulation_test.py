import keras
import pytest

from tests.training.toys import arrays, assert_close, toy_model, toy_volumes

DRAWN = {"timestep_sampling": "loss", "dropout": 0.3}


def _train(accumulation_steps):
    """Losses and weights after two steps of four examples."""
    compiled = {"accumulation_steps": accumulation_steps}
    model = toy_model(keras.optimizers.SGD(0.1), compiled=compiled, **DRAWN)
    data = toy_volumes(8, num_classes=2)
    history = model.fit(*data, batch_size=4, shuffle=False, verbose=0).history
    return history["loss"], arrays(model.trainable_variables)


@pytest.fixture(scope="module")
def whole():
    return _train(1)


# Of five parts of four examples, one is empty.
@pytest.mark.parametrize(
    "num_parts", [5, *(pytest.param(parts, marks=pytest.mark.slow) for parts in (3, 4))]
)
def test_parts_of_a_batch_train_as_the_whole(whole, num_parts):
    loss, weights = _train(num_parts)
    assert loss == pytest.approx(whole[0], rel=1e-5)
    assert_close(weights, whole[1])


def test_a_number_of_parts_below_one_is_named():
    with pytest.raises(ValueError, match="accumulation_steps .* at least 1, got 0"):
        _train(0)
