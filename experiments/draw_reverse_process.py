r"""Draws a mask along the reverse process, from noise to a segmentation.

    python -m experiments.draw_reverse_process --model_dir=RUN --data_dir=SHARDS \
        --output=reverse_process.png [--uid=CASE]

A column per step: above the noisy mask that the network is given, below what it
predicts from it, beside the image and the ground truth.
"""

import pathlib

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.run_folder import RunFolder

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of a training run.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_SPLIT = flags.DEFINE_string("split", "test", "Split of the case.")
_UID = flags.DEFINE_string("uid", None, "The case; by default the split's first.")
_OUTPUT = flags.DEFINE_string("output", None, "PNG to write.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the noise.")
flags.mark_flags_as_required(["model_dir", "data_dir", "output"])


def main(argv):
    """Checks, samples one case and draws it."""
    del argv
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix != ".png" or not output.parent.is_dir():
        raise InputError(
            f"--output={output}: expected the path of a .png in a folder that exists"
        )
    run_folder = RunFolder(_MODEL_DIR.value)
    if run_folder.config().strategy == "supervised":
        raise InputError(
            f"--model_dir={_MODEL_DIR.value} holds a supervised run: it does not "
            "diffuse"
        )
    manifest = read_manifest(_DATA_DIR.value)
    run_folder.check_data(manifest)
    uids = manifest.split(_SPLIT.value).uids
    uid = uids[0] if _UID.value is None else _UID.value
    if uid not in uids:
        raise InputError(f"--uid={uid} is no case of the split {_SPLIT.value}")
    load_tensorflow()
    from tf_diffseg.reports import reverse_process

    shard_paths = manifest.shard_paths(_DATA_DIR.value, _SPLIT.value)
    case = reverse_process.load_case(shard_paths, uids.index(uid))
    steps = reverse_process.sample_steps(
        run_folder.load_model(), case["image"], _SEED.value
    )
    reverse_process.draw(output, case, steps, manifest.ignored_id)
    print(f"{uid}: {output}")


if __name__ == "__main__":
    command_line.run(main)
