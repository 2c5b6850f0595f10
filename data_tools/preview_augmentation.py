r"""Draws a case without and with the configured augmentation.

    python -m data_tools.preview_augmentation --data_dir=SHARDS --output=preview.png \
        [--model_dir=RUN] [--rotation_degrees=30 ...]

The augmentations have the flags and defaults of `experiments.train`. With --model_dir,
the values of that run are the defaults.
"""

import json
import pathlib

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.data.augmentation.options import OPTIONS, AugmentationConfig
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.option_flags import define_flags, from_flags
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.whole_files import whole_file

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "PNG file to write.", required=True)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of a run whose augmentation to show."
)
_SPLIT = flags.DEFINE_string("split", "train", "Split of the case.")
_UID = flags.DEFINE_string("uid", None, "Case to show; by default the split's first.")
_NUM_DRAWS = flags.DEFINE_integer(
    "num_draws", 5, "Number of augmented versions to draw.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the first version.", lower_bound=0)
define_flags(AugmentationConfig)


def options_of_flags():
    """The augmentation that the flags describe; raises InputError."""
    options = from_flags(AugmentationConfig).augmentation()
    if not _MODEL_DIR.value:
        return options
    given = {name: v for name, v in options.items() if flags.FLAGS[name].present}
    return _options_of_run(pathlib.Path(_MODEL_DIR.value)) | given


def _options_of_run(model_dir):
    path = model_dir / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        options = {name: values[name] for name in OPTIONS if name in values}
        return AugmentationConfig(**options).augmentation()
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"model_dir={model_dir}: {path} is not the config of a run: {error}",
            argument="model_dir",
        ) from error


def main(_):
    """Draws the case that the flags describe."""
    options = options_of_flags()
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix.lower() != ".png" or output.is_dir():
        raise InputError(f"--output={output} must be a .png file")
    read_manifest(_DATA_DIR.value)
    load_tensorflow()
    from data_tools.inspection.augmentation_preview import preview

    with whole_file(output) as temporary:
        case = (_SPLIT.value, _UID.value)
        draws = (_NUM_DRAWS.value, _SEED.value)
        preview(temporary, _DATA_DIR.value, options, *case, *draws)
    print(f"picture: {output}")


if __name__ == "__main__":
    command_line.run(main)
