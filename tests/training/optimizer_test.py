import keras
import numpy as np
import pytest

from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.optimizer import KernelDecayAdamW, learning_rate_schedule


def test_only_kernels_decay_and_a_loaded_optimizer_does_the_same():
    model = DiffusionUNet3D(2, num_channels=(4, 8), num_heads=2)
    model.compile(KernelDecayAdamW(0.1, weight_decay=0.5))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    loaded = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
    for factor, optimizer in ((0.95, model.optimizer), (0.95**2, loaded)):
        zeros = [np.zeros(v.shape, np.float32) for v in model.trainable_variables]
        optimizer.apply(zeros, model.trainable_variables)
        names = set()
        for variable in model.trainable_variables:
            expected = factor if variable.name == "kernel" else 1.0
            np.testing.assert_allclose(variable, expected, rtol=1e-6)
            names.add(variable.name)
    assert names == {"kernel", "bias", "gamma", "beta"}


@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_are_those_of_keras(amsgrad):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(7, 5)).astype(np.float32)
    gradients = rng.normal(size=(20, 7, 5)).astype(np.float32)
    results = []
    for optimizer_class in (KernelDecayAdamW, keras.optimizers.AdamW):
        optimizer = optimizer_class(0.1, weight_decay=0.2, amsgrad=amsgrad)
        variable = keras.Variable(start, name="kernel")
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([gradient], [variable])
        results.append(variable.numpy())
    # A step is 0.1, divided by 1 - 0.999**t, which float32 rounds.
    np.testing.assert_allclose(*results, rtol=0.0, atol=1e-5)
    assert np.abs(results[0] - start).max() > 0.1


@pytest.mark.parametrize("schedule, last", [("cosine", 0.0), ("constant", 0.3)])
def test_the_learning_rate_rises_then_decays_or_stays(schedule, last):
    rate = learning_rate_schedule(0.3, 100, 10, schedule)
    np.testing.assert_allclose([rate(0), rate(5), rate(10)], [0.0, 0.15, 0.3])
    assert float(rate(100)) == pytest.approx(last, abs=1e-6)
    middle = {"cosine": 0.15, "constant": 0.3}[schedule]
    assert float(rate(55)) == pytest.approx(middle, rel=1e-5)


def test_without_a_rise_the_rate_starts_at_its_highest():
    for schedule in ("cosine", "constant"):
        assert float(learning_rate_schedule(0.3, 100, 0, schedule)(0)) == (
            pytest.approx(0.3)
        )
