"""Export to a folder that TF Serving loads."""

import pathlib
import shutil

import tensorflow as tf

from tf_diffseg.serving.exported_network import write_network
from tf_diffseg.serving.served_model import MAX_VOXELS, ServedModel
from tf_diffseg.serving.stored_weights import StoredWeights
from tf_diffseg.serving.version_folders import next_version
from tf_diffseg.whole_files import alone_in, write_json

CARD_FILE = "assets/model_card.json"


def export_saved_model(
    segmenter,
    model,
    export_dir,
    model_card,
    num_samples=1,
    batch_size=1,
    weights="float32",
    max_voxels=MAX_VOXELS,
    request_batch=None,
    finish=None,
):
    """Writes the next version of a model as a SavedModel.

    Its signatures are methods of `ServedModel`: `serving_default` takes preprocessed
    images, `segment_volume` volumes as stored in files, and `segment_nifti` the bytes
    of files. `load_network` turns it into a Keras model again. The folder appears whole
    or not at all.

    Args:
        segmenter: a `Segmenter` whose `sample` runs `model`.
        model: the Keras model that holds the weights, or a list of those of an
            ensemble, which `load_network` then refuses.
        export_dir: folder of all versions of this model.
        model_card: JSON-able dict, written beside the model as `CARD_FILE`.
        num_samples: see `ServedModel`.
        batch_size: see `ServedModel`.
        weights: type to store the weights in, see `StoredWeights`.
        max_voxels: see `ServedModel`.
        request_batch: see `ServedModel`.
        finish: function that gets the folder before it is renamed and may add files; if
            it raises, nothing is left.

    Returns:
        Path of the version's folder, `export_dir/1` at first.

    Raises:
        ValueError: an argument is out of range.
        InputError: another process exports to the folder.

    Example:
        >>> model = SegmentationUNet3D(num_classes=2, num_channels=(4,), num_heads=0)
        >>> segmenter = Segmenter(model.sample, VolumePreprocessor(), [0, 7])
        >>> version = export_saved_model(segmenter, model, "EXPORT", {"name": "toy"})
    """
    options = (num_samples, batch_size, max_voxels, request_batch)
    with alone_in("export_dir", export_dir):
        version_dir = pathlib.Path(export_dir) / str(next_version(export_dir))
        # TF Serving takes numbers for versions and ignores this name.
        partial_dir = version_dir.with_name(f".partial-{version_dir.name}")
        shutil.rmtree(partial_dir, ignore_errors=True)
        try:
            _write_saved_model(segmenter, model, partial_dir, weights, options)
            write_json(partial_dir / CARD_FILE, model_card, indent=2)
            if finish is not None:
                finish(partial_dir)
            partial_dir.rename(version_dir)
        finally:
            shutil.rmtree(partial_dir, ignore_errors=True)
    return version_dir


def _write_saved_model(segmenter, model, path, weights, options):
    models = model if isinstance(model, list) else [model]
    stored = StoredWeights(models, weights)
    served = ServedModel(segmenter, models[0].image_channels, stored, *options)
    tf.saved_model.save(stored.module, str(path), signatures=served.signatures())
    write_network(models, stored, path)
