"""The U-Net saved and loaded, here and in another process."""

import keras
import numpy as np
import pytest

from tests.models.toy_network import (
    outputs_of,
    randomize_weights,
    toy_inputs,
    toy_unet,
)


def test_loaded_here_it_gives_the_same_bits(saved):
    folder, inputs, logits = saved
    loaded = keras.saving.load_model(folder / "network.keras")
    np.testing.assert_array_equal(outputs_of(loaded, inputs), logits)


def test_a_fresh_process_gives_the_same_bits(saved, run_saved):
    folder, _, logits = saved
    loaded_logits, backend, _ = run_saved(folder, "tensorflow")
    assert backend == "tensorflow"
    np.testing.assert_array_equal(loaded_logits, logits)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_saved(dtype, tmp_path):
    network = toy_unet(dtype=dtype)
    randomize_weights(network)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.dtype_policy.name == dtype
    inputs = toy_inputs((4, 5, 6))
    np.testing.assert_array_equal(
        outputs_of(loaded, inputs), outputs_of(network, inputs)
    )


def test_what_is_frozen_stays_frozen(tmp_path):
    network = toy_unet()
    network.trainable = False
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.trainable_variables == []
    assert len(loaded.non_trainable_variables) == len(network.weights)
