r"""Segments a scan with an exported model.

    python -m experiments.segment --model=EXPORT/1 \
        --input=image.nii.gz --output=label.nii.gz

Needs neither the training code nor Keras: the SavedModel holds everything.
"""

import json
import os
import pathlib

from absl import flags

from data_tools import command_line
from data_tools.errors import InputError
from data_tools.quiet import load_tensorflow
from experiments.output_path import output_file

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported version: EXPORT/1.")
_INPUT = flags.DEFINE_string("input", None, "Image to segment, .nii or .nii.gz.")
_OUTPUT = flags.DEFINE_string("output", None, "Label map to write, .nii or .nii.gz.")
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the sampling noise.", lower_bound=0, upper_bound=2**31 - 1
)
flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    """Checks paths, then reads, segments and writes."""
    del argv
    model_dir = pathlib.Path(_MODEL.value)
    if not (model_dir / "saved_model.pb").is_file():
        raise InputError(
            f"--model={model_dir}: expected the folder of an exported version, as "
            "EXPORT/1; there is no saved_model.pb in it"
        )
    output = output_file("output", _OUTPUT.value)
    if not output.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"--output={output}: expected a name in .nii or .nii.gz")
    # By file, not by name: a link to the scan is the scan.
    is_there = output.exists() and os.path.exists(_INPUT.value)
    if is_there and output.samefile(_INPUT.value):
        raise InputError(f"--output={output} is the file of --input, name another")

    from data_tools.volume_files import read_image

    image = read_image(_INPUT.value)
    note = crop_note(image, _preprocessing(model_dir))
    if note:
        print(note, flush=True)
    load_tensorflow()
    label = segment_volume(model_dir, image, _SEED.value)
    write_whole(output, label, like=_INPUT.value)
    print(f"segmented: {output}")


def _preprocessing(model_dir):
    """Config of the model's `VolumePreprocessor`; empty without a model card."""
    path = model_dir / "assets.extra" / "model_card.json"
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))["preprocessing"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a model card: {error!r}") from error


def crop_note(image, preprocessing):
    """What to tell about a scan of which the model sees a part only.

    Args:
        image: `data_tools.volume.Volume`.
        preprocessing: config of a `VolumePreprocessor`.

    Returns:
        A line of text, or None where the model sees all of the scan.
    """
    import nibabel as nib
    import numpy as np

    volume_shape = preprocessing.get("volume_shape")
    if volume_shape is None:
        return None
    # Row i says which of x, y, z the i-th voxel axis is.
    order = np.argsort(nib.io_orientation(image.affine)[:, 0])
    own_spacing = image.spacing_mm[order]
    extent_mm = np.array(image.grid_shape)[order] * own_spacing
    spacing_mm = np.array(preprocessing.get("spacing_mm") or own_spacing)
    kept_mm = np.array(volume_shape) * spacing_mm
    if (np.rint(extent_mm / spacing_mm) <= volume_shape).all():
        return None
    kept, whole = (
        " x ".join(f"{value:.0f}" for value in extent)
        for extent in (np.minimum(extent_mm, kept_mm), extent_mm)
    )
    return (
        f"note: the scan measures {whole} mm (x, y, z); only the central {kept} mm "
        "are segmented, the rest becomes background"
    )


def segment_volume(model_dir, image, seed):
    """Runs the signature `segment_volume` of a SavedModel.

    Args:
        model_dir: folder of an exported version.
        image: `data_tools.volume.Volume`.
        seed: of the sampling noise.

    Returns:
        int32 array on the image's grid.

    Raises:
        InputError: the model wants another number of channels.
    """
    import tensorflow as tf

    model = tf.saved_model.load(str(model_dir))
    run = model.signatures["segment_volume"]
    channels = run.structured_input_signature[1]["image"].shape[-1]
    if channels != image.array.shape[-1]:
        raise InputError(
            f"--model={model_dir} wants {channels} channel(s), {image.path} has "
            f"{image.array.shape[-1]}"
        )
    result = run(
        image=tf.constant(image.array[None]),
        affine=tf.constant(image.affine[None], tf.float32),
        seed=tf.constant([seed]),
    )
    return result["label"].numpy()[0]


def write_whole(path, label, like):
    """Writes a label map so that it is never seen half-written.

    Args:
        path: file to write; its folder is made.
        label: integer array.
        like: file whose grid and header to take.
    """
    from data_tools.volume_files import write_label

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    try:
        write_label(partial, label, like)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    command_line.run(main)
