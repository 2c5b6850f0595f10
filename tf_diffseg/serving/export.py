"""Export to a folder that TF Serving loads."""

import json
import pathlib
import shutil

import keras
import tensorflow as tf


def export_saved_model(segmenter, model, export_dir, model_card):
    """Writes the next version of a model as a SavedModel.

    Its signatures take and give these tensors, each with a batch axis:

    `serving_default`: `image` float32 [batch, x, y, z, channels], preprocessed, and
    `seed` int32 [batch], to `probabilities` float32 [batch, x, y, z, classes] and
    `label` int32 [batch, x, y, z], class ids.

    `segment_volume`: `image` float32 [batch, i, j, k, channels], as a file has it,
    with `affine` float32 [batch, 4, 4] and `seed` int32 [batch], to `label` int32
    [batch, i, j, k], with the values of the data set's own label files.

    The folder appears whole or not at all.

    Args:
        segmenter: a `Segmenter` whose `sample` runs `model`.
        model: the Keras model that holds the weights.
        export_dir: folder of all versions of this model.
        model_card: JSON-able dict, written beside the model as
            `assets.extra/model_card.json`.

    Returns:
        Path of the version's folder, `export_dir/1` at first.
    """
    version_dir = pathlib.Path(export_dir) / str(next_version(export_dir))
    # TF Serving takes numbers for versions and leaves this one alone.
    partial_dir = version_dir.with_name(f".partial-{version_dir.name}")
    shutil.rmtree(partial_dir, ignore_errors=True)
    try:
        _write_archive(segmenter, model, partial_dir)
        card_path = partial_dir / "assets.extra" / "model_card.json"
        card_path.parent.mkdir()
        card_path.write_text(json.dumps(model_card, indent=2) + "\n")
        partial_dir.rename(version_dir)
    finally:
        shutil.rmtree(partial_dir, ignore_errors=True)
    return version_dir


def next_version(export_dir):
    """One more than the highest version in a model's folder; 1 in none."""
    folder = pathlib.Path(export_dir)
    entries = folder.iterdir() if folder.is_dir() else ()
    versions = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    return max(versions, default=0) + 1


def _write_archive(segmenter, model, path):
    channels = model.image_channels

    def serving_default(image, seed):
        probabilities = segmenter.sample(image, seed)
        label = segmenter.label(probabilities)
        return {"label": label, "probabilities": probabilities}

    def segment_volume(image, affine, seed):
        label = tf.map_fn(
            lambda volume: segmenter(*volume),
            (image, affine, seed),
            fn_output_signature=tf.TensorSpec([None, None, None], tf.int32),
            parallel_iterations=1,
        )
        return {"label": label}

    image_spec = tf.TensorSpec([None, None, None, None, channels], name="image")
    affine_spec = tf.TensorSpec([None, 4, 4], name="affine")
    seed_spec = tf.TensorSpec([None], tf.int32, name="seed")
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serving_default, [image_spec, seed_spec])
    archive.add_endpoint(
        "segment_volume", segment_volume, [image_spec, affine_spec, seed_spec]
    )
    archive.write_out(str(path), verbose=False)
