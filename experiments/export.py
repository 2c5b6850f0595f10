r"""Exports a trained model to a SavedModel for TF Serving.

    python -m experiments.export --model_dir=RUN --export_dir=EXPORT
    python -m experiments.export --model_dir=RUN --export_dir=EXPORT/hippocampus \
        --weights=float16 --num_samples=4 --results_dir=RESULTS \
        --warmup=image.nii.gz --verify='scans/*.nii.gz'

The newest checkpoint counts, or the one named, and its averaged weights where it has
some (--ema).
"""

import pathlib

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.reports.model_card import model_card, read_metrics
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
)
_NIFTI = (".nii", ".nii.gz")

_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of a training run, or a checkpoint in it."
)
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir",
    None,
    "Folder of the model's versions; the next one is added. Its name is the model's.",
)
_WEIGHTS = flags.DEFINE_enum(
    "weights",
    "float32",
    ["float32", "float16", "bfloat16"],
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
    """Loads the newest checkpoint and writes the next version."""
    del argv
    options = options_from_flags()
    trained = TrainedModels([_MODEL_DIR.value], options)
    export_dir = output_folder("export_dir", _EXPORT_DIR.value)
    metrics = _RESULTS_DIR.value and read_metrics(_RESULTS_DIR.value)
    if _WARMUP.value is not None:
        _check_warmup(_WARMUP.value)
    load_tensorflow()

    from tf_diffseg.serving import export_saved_model, write_server_files

    (model,) = trained.models
    served = {
        "num_samples": options.num_samples,
        "weights": _WEIGHTS.value,
        "request_batch": _REQUEST_BATCH.value,
        "max_voxels": _MAX_VOXELS.value,
    }
    name = export_dir.absolute().name
    in_graph = {**served, "resample": options.resample}
    card = model_card(trained, name, in_graph, metrics, _ATTRIBUTION.value)

    def finish(version_dir):
        if _WARMUP.value is not None:
            _write_warmup(version_dir, trained, name)
        if _VERIFY.value is not None:
            _verify(version_dir, trained)

    try:
        path = export_saved_model(
            trained.segmenter(),
            model,
            str(export_dir),
            card,
            batch_size=options.batch_size,
            finish=finish,
            **served,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    if _SERVER_FILES.value:
        write_server_files(export_dir, _REQUEST_BATCH.value or 1)
    print(f"exported: {path}")


def _check_warmup(path):
    from tf_diffseg.volumes.volume_files import read_image

    try:
        import tensorflow_serving  # noqa: F401
    except ModuleNotFoundError:
        raise InputError(
            "--warmup needs tensorflow-serving-api: pip install 'tf_diffseg[serving]'"
        ) from None
    if not path.lower().endswith(_NIFTI):
        raise InputError(f"--warmup={path}: expected a .nii or .nii.gz file")
    read_image(path)


def _write_warmup(version_dir, trained, name):
    """Requests of one real volume to each signature."""
    import numpy as np

    from tf_diffseg.serving import write_warmup_requests
    from tf_diffseg.volumes.volume_files import read_image

    scan = read_image(_WARMUP.value)
    affine = scan.affine.astype(np.float32)
    preprocessed, _ = trained.resampling.preprocessor(scan.array, affine)
    batch = _REQUEST_BATCH.value or 1
    inputs = {
        "serving_default": {"image": [preprocessed.numpy()]},
        "segment_volume": {"image": [scan.array], "affine": [affine]},
        "segment_nifti": {"contents": [pathlib.Path(_WARMUP.value).read_bytes()]},
    }
    requests = [
        (
            signature,
            {
                **{name: _repeated(value, batch) for name, value in tensors.items()},
                "seed": np.zeros(batch, np.int32),
            },
        )
        for signature, tensors in inputs.items()
    ]
    write_warmup_requests(version_dir, requests, name)


def _repeated(values, batch):
    import numpy as np

    return values * batch if isinstance(values[0], bytes) else np.stack(values * batch)


def _verify(version_dir, trained):
    from tf_diffseg.runs.export_check import check_export
    from tf_diffseg.runs.segmenter import segmenter_of

    is_exact = _WEIGHTS.value == "float32"
    segmenter = segmenter_of(trained)
    count = check_export(version_dir, segmenter, _VERIFY.value, is_exact)
    print(f"verified: {count} scan(s) segmented as the run does")


if __name__ == "__main__":
    command_line.run(main)
