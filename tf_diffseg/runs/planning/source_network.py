"""The network of the weights that a run begins from."""

import pathlib

from tf_diffseg.fields import part_values
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.shipped_models import find_model
from tf_diffseg.text import read_json


def network_of_source(init_from, strategy=None):
    """Values of the network of a run folder or an export, so that its weights fit.

    Args:
        init_from: as in `TrainConfig`.
        strategy: that of the new run.

    Returns:
        Dict of values of `TrainConfig`; empty if the source does not tell them.
    """
    folder = pathlib.Path(find_model(init_from))
    card = folder / "assets" / "model_card.json"
    if RunFolder(folder).config_path.is_file():
        config = RunFolder(folder).config()
    elif card.is_file():
        config = TrainConfig(**read_json(card)["training"])
    else:
        return {}
    network = part_values(config, "network")
    if strategy == "supervised":
        network |= {"mask_branch": None, "mask_output": "features"}
    return network
