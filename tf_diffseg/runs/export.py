"""Exports a run with its model card, warm-up requests and a check."""

import dataclasses
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.fields import check, option
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.reports.model_card import model_card, read_metrics
from tf_diffseg.serving.choices import WEIGHT_TYPES
from tf_diffseg.training.choices import PRECISIONS
from tf_diffseg.volumes.file_endings import NIFTI_ENDINGS


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options of an export; each is a flag of the same name.

    Example:
        >>> ExportOptions(weights="float16").precision
        'float32'
    """

    weights: str = option(
        "float32", "Type that weights are stored as.", choices=WEIGHT_TYPES
    )
    precision: str = option(
        "float32",
        "Type that the network computes in, whatever it was trained in: float32 runs "
        "on any machine.",
        choices=PRECISIONS,
    )
    request_batch: int | None = option(
        None,
        "Volumes of a request, fixed in the graph; any number by default.",
        at_least=1,
    )
    max_voxels: int = option(
        2**27, "Voxels of all volumes of a request; more are refused.", at_least=1
    )
    results_dir: str | None = option(
        None, "Folder of experiments.evaluate, for the model card."
    )
    attribution: str | None = option(
        None, "Whom the training data is owed to, for the model card."
    )
    warmup: str | None = option(
        None, "A .nii or .nii.gz file to make warm-up requests of."
    )
    verify: str | None = option(
        None,
        "Scans, as `input` of experiments.segment: the export must segment them as the "
        "run does, or nothing is exported.",
    )
    server_files: bool = option(
        True, "Write models.config and batching_parameters.txt."
    )

    def __post_init__(self):
        check(self)


def _checked_metrics(trained, results_dir):
    """Results of an evaluation with the classes of the model.

    They may be those of another network: a model that is trained on all cases has the
    scores of one that was not.
    """
    metrics = read_metrics(results_dir)
    scored, names = list(metrics.get("classes", {})), trained.targets.names[1:]
    if scored != names:
        found = ", ".join(scored) or "nothing"
        raise InputError(
            f"results_dir={results_dir} has scores of {found}; expected the model's "
            f"classes, {', '.join(names)}",
            argument="results_dir",
        )
    return metrics


def export_run(trained, export_dir, options):
    """Exports a model into the next version of a folder.

    Args:
        trained: `TrainedModels`; the mean of several is exported.
        export_dir: folder of the versions; the model gets its name.
        options: `ExportOptions`.

    Returns:
        Path of the version.

    Raises:
        InputError: a path cannot be used, the model cannot be exported, or export and
            run do not segment alike. No version is left then.
    """
    export_dir = output_folder("export_dir", export_dir)
    trained = trained.in_precision(options.precision)
    metrics = options.results_dir and _checked_metrics(trained, options.results_dir)
    if options.warmup is not None:
        _check_warmup(options.warmup)
    load_tensorflow()
    from tf_diffseg.serving import export_saved_model, write_server_files

    served = {
        "num_samples": trained.options.num_samples,
        "weights": options.weights,
        "request_batch": options.request_batch,
        "max_voxels": options.max_voxels,
    }
    name = export_dir.absolute().name
    in_graph = {**served, "resample": trained.options.resample}
    card = model_card(trained, name, in_graph, metrics, options.attribution)

    def finish(version_dir):
        if options.warmup is not None:
            _write_warmup(version_dir, trained, name, options)
        if options.verify is not None:
            _verify(version_dir, trained, options)

    try:
        path = export_saved_model(
            trained.segmenter(),
            trained.models,
            str(export_dir),
            card,
            batch_size=trained.options.batch_size,
            finish=finish,
            **served,
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    if options.server_files:
        write_server_files(export_dir, options.request_batch or 1)
    return path


def _check_warmup(path):
    from tf_diffseg.volumes.volume_files import read_image

    try:
        import tensorflow_serving  # noqa: F401
    except ModuleNotFoundError:
        raise InputError(
            "warmup needs tensorflow-serving-api: pip install 'tf_diffseg[serving]'",
            argument="warmup",
        ) from None
    if not path.lower().endswith(NIFTI_ENDINGS):
        raise InputError(
            f"warmup={path}: expected a .nii or .nii.gz file", argument="warmup"
        )
    read_image(path)


def _write_warmup(version_dir, trained, name, options):
    """Writes a request of one real volume to each signature."""
    import numpy as np

    from tf_diffseg.serving import write_warmup_requests
    from tf_diffseg.volumes.volume_files import read_image

    scan = read_image(options.warmup)
    affine = scan.affine.astype(np.float32)
    preprocessed, _ = trained.resampling.preprocessor(scan.array, affine)
    batch = options.request_batch or 1
    inputs = {
        "serving_default": {"image": [preprocessed.numpy()]},
        "segment_volume": {"image": [scan.array], "affine": [affine]},
        "segment_nifti": {"contents": [pathlib.Path(options.warmup).read_bytes()]},
    }
    requests = []
    for signature, tensors in inputs.items():
        tensors = {
            key: values * batch if key == "contents" else np.stack(values * batch)
            for key, values in tensors.items()
        }
        requests.append((signature, {**tensors, "seed": np.zeros(batch, np.int32)}))
    write_warmup_requests(version_dir, requests, name)


def _verify(version_dir, trained, options):
    from tf_diffseg.runs.segmentation.export_check import check_export
    from tf_diffseg.runs.segmentation.segmenter import segmenter_of

    is_exact = options.weights == "float32"
    segmenter = segmenter_of(trained)
    count = check_export(version_dir, segmenter, options.verify, is_exact)
    print(f"verified: {count} scan(s) segmented as the run does")
