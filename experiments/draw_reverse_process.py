r"""Draws a mask along the reverse process, from noise to a segmentation.

    python -m experiments.draw_reverse_process --model_dir=RUN --data_dir=SHARDS \
        --output=reverse_process.png [--uid=CASE]

A column per step: above the noisy mask that the network is given, below what it
predicts from it, beside the image and the ground truth.
"""

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.runs.reverse_process import draw_reverse_process

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
    uid = draw_reverse_process(
        _MODEL_DIR.value,
        _DATA_DIR.value,
        _OUTPUT.value,
        _SPLIT.value,
        _UID.value,
        _SEED.value,
    )
    print(f"{uid}: {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
