"""What an ablation was begun with; later calls in its folder need the same."""

import dataclasses
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.runs.run_folder import RunFolder, changed_values
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json

EQUAL = ("steps", "minutes")
_FILE = "settings.json"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The lengths of the runs, and how they were chosen.

    Attributes:
        equal: what is equal for all arms, of `EQUAL`.
        budget_minutes: time for all runs of the first call, or None.
        length: steps or minutes of a run; None before they are chosen.
        epochs: dict from the names of arms to epochs.
        arms: dict from the names of all arms that were trained to their changes.
    """

    equal: str = "steps"
    budget_minutes: float | None = None
    length: float | None = None
    epochs: dict[str, int] = dataclasses.field(default_factory=dict)
    arms: dict[str, dict] = dataclasses.field(default_factory=dict)

    def with_arms(self, arms, changes_by_name):
        """The settings with further `Arm`s, and their changes from those of all."""
        names = {name for arm in arms for name in arm.names}
        new = {k: changes for k, changes in changes_by_name.items() if k in names}
        return dataclasses.replace(self, arms=self.arms | new)

    def write(self, folder):
        """Writes the settings into the folder of an ablation."""
        write_json(folder / _FILE, dataclasses.asdict(self), indent=2)


def shared_folder(folder):
    """`RunFolder` in an ablation's folder that has config and manifest but no run."""
    return RunFolder(pathlib.Path(folder) / "shared")


def changed_config(run_folder, config, besides=()):
    """Compares a config with that of a folder, also where a run may go on with another.

    Args:
        run_folder: `RunFolder`, which need not exist.
        config: `TrainConfig`.
        besides: names of values that may differ.

    Returns:
        List of texts, one for each value that differs.
    """
    if not run_folder.config_path.is_file():
        return []
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    names = [name for name in names if name not in besides]
    return changed_values(run_folder.config(), config, names)


def settings_of(folder, config, equal, budget_minutes):
    """The `Settings` that a folder has, or new ones.

    Args:
        folder: `pathlib.Path` of an ablation, which need not exist.
        config: `TrainConfig` that all arms share.
        equal: as in `Settings`.
        budget_minutes: as in `Settings`.

    Raises:
        InputError: the folder was begun with another value.
    """
    settings = Settings(equal, budget_minutes)
    found = changed_config(shared_folder(folder), config)
    if (folder / _FILE).is_file():
        before = Settings(**read_json(folder / _FILE))
        found += changed_values(before, settings, ("equal", "budget_minutes"))
        settings = before
    if found:
        raise InputError(
            f"output_dir={folder} was begun with other settings: {'; '.join(found)}. "
            "Name another folder, or go on as it began",
            argument="output_dir",
        )
    return settings
