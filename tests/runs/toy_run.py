"""A run folder that holds networks with random weights."""

import keras
import numpy as np

from tf_diffseg.data.manifest import Manifest, Shard, Split
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.saving.checkpoints import save_checkpoint

WINDOW = (8, 8, 6)
# Of a network with inner layers; one of a single resolution is built sooner.
TWO_LEVELS = {"num_channels": (4, 8), "num_heads": 2}
MANIFEST = Manifest(
    dataset="phantom",
    modality="MRI",
    license="CC0",
    class_names=["background", "liver", "spleen"],
    label_values=[0, 6, 1],
    channel_names=["T1"],
    preprocessing={"spacing_mm": None, "volume_shape": None, "intensity": "zscore"},
    splits={
        "train": Split(["a"], [Shard("train", 1, "0")], {}),
        "test": Split(["b"], [Shard("test", 1, "0")], {}),
    },
)


def toy_run(path, manifest=MANIFEST, epochs=(1,), **values):
    """Makes the run folder `path`, with a checkpoint for each of `epochs`."""
    values = {"num_channels": (4,), "num_heads": 0, **values}
    config = TrainConfig(patch_shape=WINDOW, **values)
    folder = RunFolder(path)
    folder.begin(config, manifest)
    for epoch in epochs:
        keras.utils.set_random_seed(epoch)
        model = flat_network(
            len(manifest.class_names),
            dtype=config.precision,
            **config.model_arguments(),
        )
        rng = np.random.default_rng(epoch)
        for weight in model.trainable_variables:
            weight.assign_add(rng.normal(scale=0.3, size=weight.shape))
        model.compile()
        save_checkpoint(model, path / "checkpoints", epoch)
    return path
