"""The shards for training and validation."""

import os

from tf_diffseg.errors import InputError


def training_shards(config, manifest, data_dir):
    """Paths of the shards, checked against the config.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        data_dir: folder of the shards.

    Returns:
        Dict as `RunPlan.shard_paths`, with absolute paths.

    Raises:
        InputError: there is no split train, early stopping lacks a validation, a shard
            is missing, or the cases do not fill one batch.
    """
    num_cases = len(manifest.split("train").uids)
    if config.remainder == "drop" and config.batch_size > num_cases:
        raise InputError(
            f"batch_size={config.batch_size} is more than the {num_cases} cases of "
            f"the split train in {data_dir}",
            argument="batch_size",
        )
    if config.early_stopping and "validation" not in manifest.splits:
        raise InputError(
            f"early_stopping={config.early_stopping} needs a split validation, which "
            f"the data in {data_dir} does not have",
            argument="early_stopping",
        )
    if config.early_stopping and config.validation_frequency > config.epochs:
        raise InputError(
            f"early_stopping={config.early_stopping} needs a validation, but "
            f"validation_frequency={config.validation_frequency} is more than "
            f"epochs={config.epochs}",
            argument="early_stopping",
        )
    # Workers of a tf.data service may have other working folders.
    data_dir = os.path.abspath(data_dir)
    return {
        split: manifest.shard_paths(data_dir, split)
        for split in ("train", "validation")
        if split in manifest.splits
    }
