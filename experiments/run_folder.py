"""The folder of a training run: its config, its data set, its checkpoints."""

import dataclasses
import os
import pathlib

from data_tools.errors import InputError
from data_tools.manifest import read_manifest
from experiments.train_config import TrainConfig

# Values that a run may be continued with though it began with others.
_MAY_CHANGE = ("epochs", "validation_frequency")


class RunFolder:
    """Paths and contents of a run folder.

    Args:
        model_dir: the folder.
    """

    def __init__(self, model_dir):
        self.path = pathlib.Path(model_dir)

    @property
    def config_path(self):
        """The resolved config, JSON."""
        return self.path / "config.json"

    def begin(self, config, manifest):
        """Writes config and manifest, or checks that they are those of this run.

        Args:
            config: the resolved `TrainConfig`.
            manifest: `Manifest` of the training data.

        Raises:
            InputError: the folder holds a run with another config or data set.
        """
        if self.config_path.is_file():
            self._check_config(TrainConfig.from_json(self.config_path), config)
            self.check_data(manifest)
        self.path.mkdir(parents=True, exist_ok=True)
        manifest.write(self.path)
        partial = self.path / ".config.json"
        partial.write_text(config.to_json(), encoding="utf-8")
        os.replace(partial, self.config_path)

    def _check_config(self, before, now):
        changed = [
            f"{field.name} was {getattr(before, field.name)}, "
            f"now {getattr(now, field.name)}"
            for field in dataclasses.fields(TrainConfig)
            if getattr(before, field.name) != getattr(now, field.name)
            and field.name not in _MAY_CHANGE
        ]
        if changed:
            raise InputError(
                f"--model_dir={self.path} holds a run with another config: "
                f"{'; '.join(changed)}. Name another folder, or go on as it began"
            )

    def check_data(self, manifest):
        """Raises InputError unless data has this run's classes and preprocessing."""
        own = self.manifest()
        for name in ("class_names", "label_values", "channel_names", "preprocessing"):
            if getattr(own, name) != getattr(manifest, name):
                raise InputError(
                    f"the run in {self.path} was trained on data with {name} "
                    f"{getattr(own, name)}, --data_dir has {getattr(manifest, name)}"
                )

    def config(self):
        """The `TrainConfig`; raises InputError where the folder holds no run."""
        if not self.config_path.is_file():
            raise InputError(
                f"--model_dir={self.path} holds no config.json, so it is not the "
                "folder of a run of experiments.train"
            )
        return TrainConfig.from_json(self.config_path)

    def manifest(self):
        """`Manifest` of the data that the run was trained on."""
        return read_manifest(self.path)

    def load_model(self):
        """The model of the newest checkpoint.

        Raises:
            InputError: the run has no checkpoint yet.
        """
        import keras

        import tf_diffseg.training.diffusion_unet_3d  # noqa: F401 registers the class
        from tf_diffseg.training.checkpoints import list_checkpoints

        checkpoints = list_checkpoints(self.path / "checkpoints")
        if not checkpoints:
            raise InputError(
                f"the run in --model_dir={self.path} has no checkpoint yet"
            )
        return keras.saving.load_model(checkpoints[-1])
