"""The folder of a training run: config, manifest and checkpoints."""

import dataclasses
import os
import pathlib

from tf_diffseg.data.manifest import FILE_NAME, read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.preset_folder import ALONE, INITIAL_WEIGHTS, NETWORK, is_preset
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_text

_LEARNING_RATE_FIELDS = ("learning_rate", "schedule", "warmup_steps")
# Values that may change when a run goes on.
_MAY_CHANGE = (
    "epochs",
    # They count from there on: the schedule goes on at the step of the run.
    *_LEARNING_RATE_FIELDS,
    "validation_frequency",
    "keep_checkpoints",
    "checkpoint_steps",
    "early_stopping",
    "validation_pictures",
    # It changes only the memory that training takes; weights are equal up to rounding.
    "remat",
)


# Fields of the manifest that data for the run must share.
_DATA_FIELDS = (
    "class_names",
    "label_values",
    "regions",
    "channel_names",
    "preprocessing",
)


class RunFolder:
    """Paths and contents of a run folder; itself a path, for `open` and others."""

    def __init__(self, model_dir):
        self.path = pathlib.Path(model_dir)

    def __fspath__(self):
        return os.fspath(self.path)

    @property
    def config_path(self):
        """The resolved config, JSON."""
        return self.path / "config.json"

    def check(self, config, manifest):
        """Checks that a run in the folder can go on with a config and data.

        Args:
            config: the resolved `TrainConfig`.
            manifest: `Manifest` of the training data.

        Raises:
            InputError: the folder holds a run with another config or other data, or
                a preset.
        """
        if is_preset(self.path):
            raise InputError(
                f"model_dir={self.path} holds a preset, which does not go on as a run: "
                "name another folder, and begin from its weights with `init_from`",
                argument="model_dir",
            )
        if self.config_path.is_file():
            self._check_config(TrainConfig.from_json(self.config_path), config)
            self.check_data(manifest)
            self._check_same_cases(manifest)

    def begin(self, config, manifest):
        """Checks config and manifest as `check` does, and writes them."""
        self.check(config, manifest)
        # An existing run keeps the manifest that it began with.
        if not self.config_path.is_file():
            manifest.write(self.path)
        write_text(self.config_path, config.to_json())

    def changed_rate(self, config):
        """How a resolved `TrainConfig` changes the learning rate of the run, as text.

        Returns:
            Text such as "learning_rate was 0.003, now 0.001"; empty if nothing changes
            or there is no run.
        """
        if not self.config_path.is_file():
            return ""
        return "; ".join(changed_values(self.config(), config, _LEARNING_RATE_FIELDS))

    def _check_config(self, before, now):
        fields = [field.name for field in dataclasses.fields(TrainConfig)]
        fixed = [name for name in fields if name not in _MAY_CHANGE]
        changed = changed_values(before, now, fixed)
        if changed:
            raise InputError(
                f"model_dir={self.path} holds a run with another config: "
                f"{'; '.join(changed)}. Name another folder, or go on as it began",
                argument="model_dir",
            )

    def check_data(self, manifest):
        """Raises InputError unless classes and preprocessing are those of the run."""
        own = self.manifest()
        for name in _DATA_FIELDS:
            if getattr(own, name) != getattr(manifest, name):
                raise InputError(
                    f"the run in {self.path} was trained on data with {name} "
                    f"{getattr(own, name)}, `data_dir` has {getattr(manifest, name)}"
                )

    def _check_same_cases(self, manifest):
        before = self.manifest()
        for name in ("train", "validation"):
            if _cases_and_shards(before, name) != _cases_and_shards(manifest, name):
                raise InputError(
                    f"model_dir={self.path} holds a run on other data: the split "
                    f"{name} has {_count_text(manifest, name)} in `data_dir` and "
                    f"{_count_text(before, name)} in the run, and they are not the "
                    "same cases or files. Name another folder, or the data that it "
                    "began with",
                    argument="model_dir",
                )

    def check_unseen(self, manifest, split):
        """Checks that a split holds no training case of the run.

        Args:
            manifest: `Manifest` of the data to evaluate on.
            split: name of a split; "train" is always allowed.

        Raises:
            InputError: it holds a training case, or one that the weights which the run
                began from were trained on.
        """
        if split == "train":
            return
        own = set(self.manifest().split("train").uids)
        before = set(self.trained_on().get(manifest.dataset) or [])
        seen = [uid for uid in manifest.split(split).uids if uid in own | before]
        if seen:
            names = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
            what = "was trained on"
            if own.isdisjoint(seen):
                what = "did not train on, but the weights that it began from did"
            raise InputError(
                f"split={split} of `data_dir` holds {len(seen)} case(s) that the run "
                f"in `model_dir={self.path}` {what}: {names}. Evaluate on "
                "the data that it was trained with, or on `split=train`",
                argument="split",
            )

    def config(self):
        """The `TrainConfig`; raises InputError if the folder holds no run."""
        if not self.config_path.is_file():
            problem = (
                ALONE
                if is_preset(self.path)
                else "holds no config.json, so it is not the folder of a run of "
                "experiments.train"
            )
            raise InputError(f"model_dir={self.path} {problem}", argument="model_dir")
        return TrainConfig.from_json(self.config_path)

    @property
    def is_begun(self):
        """Whether the folder is that of a run, trained or not."""
        return self.config_path.is_file() and (self.path / FILE_NAME).is_file()

    def shared_config(self):
        """`config`, to hand on: without the path of `init_from` on this machine."""
        config = self.config()
        name = pathlib.PurePath(config.init_from).name
        return dataclasses.replace(config, init_from=name)

    def manifest(self):
        """`Manifest` of the data that the run was trained on.

        Raises:
            InputError: it is missing, or as in `read_manifest`.
        """
        if self.config_path.is_file() and not (self.path / FILE_NAME).is_file():
            raise InputError(
                f"model_dir={self.path} holds a config.json, but no {FILE_NAME}, so it "
                "is no whole run or preset: copy all files of the one that it was",
                argument="model_dir",
            )
        return read_manifest(self.path)

    def initial_terms(self):
        """Terms of the weights that the run began from: `terms.terms_of_source`."""
        return self._initial_weights().get("terms", [])

    def trained_on(self):
        """Cases that its weights were trained on, those that it began from included.

        Returns:
            Dict from the name of a data set to the sorted uids; to None if weights that
            it began from, of an export, do not say which.
        """
        manifest = self.manifest()
        found = dict(self._initial_weights().get("trained_on", {}))
        own = {*manifest.split("train").uids, *(found.get(manifest.dataset) or [])}
        return found | {manifest.dataset: sorted(own)}

    def _initial_weights(self):
        path = self.path / INITIAL_WEIGHTS
        return read_json(path) if path.is_file() else {}

    def newest_checkpoint(self):
        """Path of the newest checkpoint or None; raises InputError if it is damaged.

        That of a preset is its network.
        """
        from tf_diffseg.training.saving import checkpoints

        paths = checkpoints.list_checkpoints(self.path / "checkpoints")
        advice = "remove it, and the one before it counts"
        if not paths and (self.path / NETWORK).is_file():
            paths = [self.path / NETWORK]
            advice = "copy the preset again, or make it with tf_diffseg.save_to_preset"
        if paths and not checkpoints.is_whole_checkpoint(paths[-1]):
            raise InputError(f"the checkpoint {paths[-1]} is damaged; {advice}")
        return paths[-1] if paths else None

    def existing_checkpoint(self, path=None):
        """Path of a whole checkpoint.

        Args:
            path: path of a checkpoint; by default the newest.

        Raises:
            InputError: the run has no checkpoint yet, or it is damaged.
        """
        from tf_diffseg.training.saving.checkpoints import is_whole_checkpoint

        if path is None:
            path = self.newest_checkpoint()
            if path is None:
                raise InputError(
                    f"model_dir={self.path}: the run has no checkpoint yet",
                    argument="model_dir",
                )
        elif not is_whole_checkpoint(path):
            raise InputError(f"the checkpoint {path} is damaged")
        return path

    def place(self):
        """`Place` where training goes on: that of the newest whole checkpoint."""
        from tf_diffseg.training.saving import checkpoints

        path, _ = checkpoints.newest_whole_checkpoint(self.path / "checkpoints")
        return checkpoints.checkpoint_place(path) if path else checkpoints.Place()

    def load_model(self, path=None):
        """Loads the model of a checkpoint, with averaged weights if it has them.

        Args:
            path: path of the checkpoint; by default the newest.

        Raises:
            InputError: as in `existing_checkpoint`, it cannot be read, or it is of
                another version of tf_diffseg.
        """
        from tf_diffseg.training.saving import checkpoints
        from tf_diffseg.training.saving.trained_model import load_trained_model

        path = self.existing_checkpoint(path)
        try:
            return load_trained_model(path)
        except OSError as error:  # Keras unpacks it into TMPDIR.
            raise InputError(
                f"the checkpoint {path} cannot be loaded: {error.strerror or error}"
            ) from error
        except checkpoints.CheckpointError as error:
            raise InputError(str(error)) from error
        except (ValueError, TypeError, KeyError) as error:  # of Keras
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"the checkpoint {path} is whole, but does not fit this version of "
                f"tf_diffseg: {reason}"
            ) from error


def changed_values(before, now, names):
    """List of texts, one for each attribute of these names that differs."""
    pairs = [(name, getattr(before, name), getattr(now, name)) for name in names]
    return [
        f"{name} was {_value_text(old)}, now {_value_text(new)}"
        for name, old, new in pairs
        if old != new
    ]


def _value_text(value):
    return "nothing" if value in ("", None) else value


def _cases_and_shards(manifest, name):
    """Names of the cases of a split and hashes of its shards, or None."""
    split = manifest.splits.get(name)
    return split and (split.uids, [shard.sha256 for shard in split.shards])


def _count_text(manifest, name):
    split = manifest.splits.get(name)
    return f"{len(split.uids)} case(s)" if split else "no cases"


def run_around(path):
    """The `RunFolder` that a path is, or that a checkpoint lies in, or None.

    Args:
        path: any path or name.
    """
    path = pathlib.Path(path)
    is_name = len(path.parts) == 1 and not path.exists()
    if is_name or (path / "saved_model.pb").is_file():
        return None
    folders = map(RunFolder, (path, *path.parents[:2]))
    return next((folder for folder in folders if folder.is_begun), None)
