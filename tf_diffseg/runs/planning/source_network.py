"""The network of the weights that a run begins from."""

import pathlib

from tf_diffseg.fields import part_values
from tf_diffseg.runs.run_folder import run_around
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.shipped_models import find_model
from tf_diffseg.text import read_json


def network_to_begin_from(config, run_folder):
    """Values of the network of a run that begins from trained weights.

    Args:
        config: `TrainConfig` of the run.
        run_folder: its `RunFolder`. If it holds a run that began so, the network is
            the one of that run, which goes on.

    Returns:
        Dict of values of `TrainConfig`; empty for a run that begins from nothing.
    """
    if run_folder.config_path.is_file() and run_folder.config().init_from:
        return network_of_source(run_folder.path, config.strategy)
    if not config.init_from:
        return {}
    return network_of_source(config.init_from, config.strategy)


def network_of_source(init_from, strategy=None):
    """Values of the network of a run or an export, so that its weights fit.

    Args:
        init_from: as in `TrainConfig`.
        strategy: that of the new run.

    Returns:
        Dict of values of `TrainConfig`; empty if the source does not tell them.
    """
    path = pathlib.Path(find_model(init_from))
    card = path / "assets" / "model_card.json"
    if card.is_file():
        config = TrainConfig(**read_json(card)["training"])
    elif run := run_around(path):
        config = run.config()
    else:
        return {}
    network = part_values(config, "network")
    if strategy == "supervised":
        network |= {"mask_branch": None, "mask_output": "features"}
    return network
