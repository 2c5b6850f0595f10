r"""Does a published experiment again, and prints our figures beside the published ones.

    python -m experiments.reproduce --dataset=amos_ct --source_dir=DOWNLOAD \
        --output_dir=OUT

It verifies and converts the data, trains, evaluates and exports. Each of these stages
is a command that it prints. If anything stops it, the same call goes on from there.
With the same --output_dir, --dimensions=2 and --nodiffusion share the converted data.
Any value of the config, such as --epochs, may be given. See docs/recipes.md.
"""

import itertools

from absl import flags

from experiments.chains import own_data
from tf_diffseg import command_line
from tf_diffseg.option_flags import define_flags, given_values
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.recipes.published import (
    RECIPES,
    check_dimensions,
    comparison,
    variant_name,
)
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import read_json, with_options
from tf_diffseg.whole_files import alone_in

_DATASET = flags.DEFINE_enum(
    "dataset", None, list(RECIPES), "Data set of the experiment.", required=True
)
_SOURCE_DIR = flags.DEFINE_string(
    "source_dir", None, "Folder into which it was downloaded.", required=True
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for the results of all stages.", required=True
)
_DIMENSIONS = flags.DEFINE_integer(
    "dimensions", None, "3 for volumes, if the data are some; 2 slice by slice.", 2, 3
)
_DIFFUSION = flags.DEFINE_bool(
    "diffusion",
    True,
    "Whether to train a diffusion model; --nodiffusion trains the same network without "
    "noisy mask and time.",
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Ends after a try of the training: its cost, and two steps."
)
define_flags(TrainConfig, has_defaults=False)


def main(argv):
    """Runs the stages that are not done; returns the exit code."""
    del argv
    recipe = RECIPES[_DATASET.value]
    variant = _DIMENSIONS.value or recipe.dimensions[0], _DIFFUSION.value
    patch_shape = given_values(TrainConfig).get("patch_shape")
    check_dimensions(_DATASET.value, variant[0], patch_shape)
    folder = output_folder("output_dir", _OUTPUT_DIR.value)
    with alone_in("output_dir", folder):
        code = own_data.run(_stages(folder, recipe, *variant))
    if not code and not _DRY_RUN.value:
        print(f"\n{comparison(recipe, _summaries(folder))}")
    return code


def _stages(folder, recipe, dimensions, diffusion):
    data = [f"--dataset={_DATASET.value}", f"--source_dir={_SOURCE_DIR.value}"]
    own_data.check_options(folder, [*data, *recipe.preprocessing])
    variant_options = {"dimensions": dimensions, "diffusion": diffusion}
    config = with_options(recipe.config, variant_options)
    given = [flags.FLAGS[name].serialize() for name in given_values(TrainConfig)]
    training = [f"--config={config}", *given, *["--dry_run"] * _DRY_RUN.value]
    # Many slices at a time keep a device busy.
    evaluation = ["--batch_size=16"] if dimensions == 2 else []
    variant = variant_name(dimensions, diffusion)
    stages = own_data.stages(
        folder, data, recipe.preprocessing, training, evaluation, variant
    )
    # A dry run is the third stage: it verifies, converts, and tries the training.
    return itertools.islice(stages, 3) if _DRY_RUN.value else stages


def _summaries(folder):
    """Summaries of the networks of this data set that are evaluated."""
    variants = itertools.product((3, 2), (True, False))
    paths = {
        v: folder / variant_name(*v) / "results" / "metrics.json" for v in variants
    }
    return {v: read_json(path) for v, path in paths.items() if path.is_file()}


if __name__ == "__main__":
    command_line.run(main)
