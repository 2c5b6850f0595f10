r"""Segments a scan with an exported model.

    python -m experiments.segment --model=EXPORT/1 \
        --input=image.nii.gz --output=label.nii.gz

Needs neither the training code nor Keras: the SavedModel holds everything.
"""

import os
import pathlib

from absl import flags

from data_tools import command_line
from data_tools.errors import InputError
from data_tools.quiet import load_tensorflow

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported version: EXPORT/1.")
_INPUT = flags.DEFINE_string("input", None, "Image to segment, .nii or .nii.gz.")
_OUTPUT = flags.DEFINE_string("output", None, "Label map to write, .nii or .nii.gz.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the sampling noise.", lower_bound=0)
flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    """Checks paths, then reads, segments and writes."""
    del argv
    model_dir, output = pathlib.Path(_MODEL.value), pathlib.Path(_OUTPUT.value)
    if not (model_dir / "saved_model.pb").is_file():
        raise InputError(
            f"--model={model_dir}: expected the folder of an exported version, as "
            "EXPORT/1; there is no saved_model.pb in it"
        )
    if not output.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"--output={output}: expected a name in .nii or .nii.gz")

    from data_tools.nifti import read_image

    image = read_image(_INPUT.value)
    load_tensorflow()
    label = segment_volume(model_dir, image, _SEED.value)
    write_whole(output, label, like=_INPUT.value)
    print(f"segmented: {output}")


def segment_volume(model_dir, image, seed):
    """Runs the signature `segment_volume` of a SavedModel.

    Args:
        model_dir: folder of an exported version.
        image: `data_tools.nifti.Volume`.
        seed: of the sampling noise.

    Returns:
        int32 array on the image's grid.

    Raises:
        InputError: the model wants more than the one channel there is.
    """
    import tensorflow as tf

    model = tf.saved_model.load(str(model_dir))
    run = model.signatures["segment_volume"]
    channels = run.structured_input_signature[1]["image"].shape[-1]
    if channels != 1:
        raise InputError(
            f"--model={model_dir} wants {channels} channels, {image.path} has one"
        )
    result = run(
        image=tf.constant(image.array[None, ..., None]),
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
    from data_tools.nifti import write_label

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    try:
        write_label(partial, label, like)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    command_line.run(main)
