"""The network under another Keras backend than TensorFlow."""

import importlib.util

import numpy as np
import pytest


def test_jax_gives_the_logits_of_tensorflow_without_it(saved, run_saved):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed; it is in the extra [test]")
    folder, _, logits = saved
    jax_logits, backend, modules = run_saved(folder, "jax")
    assert backend == "jax"
    assert "jax" in modules
    assert "tensorflow" not in modules
    assert jax_logits.dtype == np.float32
    np.testing.assert_allclose(jax_logits, logits, atol=1e-4, rtol=1e-4)
