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
from tf_diffseg import command_line
from tf_diffseg.runs.export import ExportOptions, export_run
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.serving.choices import WEIGHT_TYPES

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
_WEIGHTS = flags.DEFINE_enum(
    "weights",
    "float32",
    WEIGHT_TYPES,
    "Type that weights are stored as; the network computes in float32.",
)
_REQUEST_BATCH = flags.DEFINE_integer(
    "request_batch",
    None,
    "Volumes of a request, fixed in the graph; any number by default.",
    lower_bound=1,
)
_MAX_VOXELS = flags.DEFINE_integer(
    "max_voxels",
    2**27,
    "Voxels of all volumes of a request; more are refused.",
    lower_bound=1,
)
_RESULTS_DIR = flags.DEFINE_string(
    "results_dir", None, "Folder of experiments.evaluate, for the model card."
)
_ATTRIBUTION = flags.DEFINE_string(
    "attribution", None, "Whom the training data is owed to, for the model card."
)
_WARMUP = flags.DEFINE_string(
    "warmup", None, "A .nii or .nii.gz file to make warm-up requests of."
)
_VERIFY = flags.DEFINE_string(
    "verify",
    None,
    "Scans, as --input of experiments.segment: the export must segment them as the "
    "run does, or nothing is exported.",
)
_SERVER_FILES = flags.DEFINE_boolean(
    "server_files", True, "Write models.config and batching_parameters.txt."
)
define_flags(_OPTIONS)
flags.mark_flags_as_required(["model_dir", "export_dir"])


def main(argv):
    """Writes the next version."""
    del argv
    paths = [_MODEL_DIR.value, *flags.FLAGS["ensemble_with"].value]
    trained = TrainedModels(paths, options_from_flags())
    chosen = ExportOptions(
        weights=_WEIGHTS.value,
        request_batch=_REQUEST_BATCH.value,
        max_voxels=_MAX_VOXELS.value,
        results_dir=_RESULTS_DIR.value,
        attribution=_ATTRIBUTION.value,
        warmup=_WARMUP.value,
        verify=_VERIFY.value,
        server_files=_SERVER_FILES.value,
    )
    print(f"exported: {export_run(trained, _EXPORT_DIR.value, chosen)}")


if __name__ == "__main__":
    command_line.run(main)
