"""The folder of a preset: what it holds, and how it is written.

The network alone is a preset, too. With the manifest and the config of its run, it also
tells classes and preprocessing.
"""

import contextlib
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.whole_files import alone_in, whole_files, writing

NETWORK = "model.keras"
_CONFIG, _MANIFEST = "config.json", "manifest.json"
# Of a run that began from other weights, and of its preset.
INITIAL_WEIGHTS = "initial_weights.json"
_OF_RUN = (_CONFIG, _MANIFEST, INITIAL_WEIGHTS)
# What a message says of the folder of a network alone.
ALONE = (
    "holds a preset of a network alone, without classes and preprocessing: from_preset "
    "loads it, tf_diffseg.save_to_preset makes a preset of a run that has them"
)


def is_preset(folder):
    """Whether a folder holds a preset, and no run."""
    folder = pathlib.Path(folder)
    return (folder / NETWORK).is_file() and not (folder / "checkpoints").exists()


def check_preset_dir(preset_dir):
    """Checks a folder to write a preset into.

    Returns:
        `pathlib.Path` of the folder, which need not exist yet.

    Raises:
        InputError: it holds something else than a preset, or cannot be made.
    """
    folder = output_folder("preset_dir", preset_dir)
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    names = [name for name in found if not name.startswith(".")]
    if names and not {NETWORK} <= {*names} <= {NETWORK, *_OF_RUN}:
        others = [name for name in names if name != NETWORK]
        raise InputError(
            f"preset_dir={preset_dir} holds something else than a preset, such as "
            f"{others[0]}: name another folder",
            argument="preset_dir",
        )
    return folder


@contextlib.contextmanager
def preset_files(preset_dir):
    """Writes the files of a preset, in the place of those of another preset.

    If the process is killed, no file lies beside one of another preset: the old
    manifest and config go before the new network comes.

    Args:
        preset_dir: the folder, made if it is missing.

    Yields:
        The function of `whole_files`. Write the network first and the config last.

    Raises:
        InputError: as in `check_preset_dir`, another process writes into the folder,
            or a file cannot be written.
    """
    folder = check_preset_dir(preset_dir)
    with alone_in("preset_dir", folder), whole_files() as whole:
        yield whole
        with writing(folder):
            for name in _OF_RUN:
                (folder / name).unlink(missing_ok=True)
