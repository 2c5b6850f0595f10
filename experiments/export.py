r"""Exports a trained model to a SavedModel for TF Serving.

    python -m experiments.export --model_dir=RUN --export_dir=EXPORT
    python -m experiments.export --model_dir=RUN --export_dir=EXPORT/hippocampus \
        --weights=float16 --num_samples=4 --results_dir=RESULTS \
        --warmup=image.nii.gz --verify='scans/*.nii.gz'

The newest checkpoint counts, or the one named, and its averaged weights where it has
some (--ema).
"""

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line, option_flags
from tf_diffseg.runs.export import ExportOptions, export_run
from tf_diffseg.runs.trained_models import TrainedModels

# What is in the graph; the seed comes with a request.
_OPTIONS = (
    "sampler",
    "eta",
    "num_timesteps",
    "num_samples",
    "batch_size",
    "overlap",
    "flip_axes",
    "ensemble_with",
)

_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of a run or a cross-validation, or a checkpoint."
)
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir",
    None,
    "Folder of the model's versions; the next one is added. Its name is the model's.",
)
option_flags.define_flags(ExportOptions)
define_flags(_OPTIONS)
flags.mark_flags_as_required(["model_dir", "export_dir"])


def main(argv):
    """Writes the next version."""
    del argv
    paths = [_MODEL_DIR.value, *flags.FLAGS["ensemble_with"].value]
    trained = TrainedModels(paths, options_from_flags())
    chosen = option_flags.from_flags(ExportOptions)
    print(f"exported: {export_run(trained, _EXPORT_DIR.value, chosen)}")


if __name__ == "__main__":
    command_line.run(main)
