r"""Compares segmenting by windows with segmenting whole volumes.

    python -m experiments.compare_windows --model_dir=RUN --data_dir=SHARDS \
        --window_shape=32,40,32 [--overlap=0.5] [--split=test]

Prints, of each class, the Dice of the label map by windows with that of the whole
volume, of two of the whole volume from different noise, and of both with the ground
truth. Volumes must fit into memory whole.
"""

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.trained_models import TrainedModels

_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of a training run, or a checkpoint in it."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_SPLIT = flags.DEFINE_string("split", "test", "Split of the cases.")
define_flags(("window_shape", "overlap", "batch_size", "seed"))
flags.mark_flags_as_required(["model_dir", "data_dir", "window_shape"])


def main(argv):
    """Checks run and data, segments every case in both ways, prints a table."""
    del argv
    options = options_from_flags()
    trained = TrainedModels([_MODEL_DIR.value], options)
    manifest = trained.read_data(_DATA_DIR.value, _SPLIT.value)
    uids = manifest.split(_SPLIT.value).uids
    load_tensorflow()
    from tf_diffseg.evaluation.window_agreement import window_agreement
    from tf_diffseg.reports.window_table import window_table

    shard_paths = manifest.shard_paths(_DATA_DIR.value, _SPLIT.value)
    found = window_agreement(trained, shard_paths, set(uids))
    cases = []
    with progress_bar(len(uids), "case", "segment") as progress:
        for case in found:
            cases.append(case)
            progress.update()
    print(f"{len(cases)} cases, Dice:")
    print(window_table(cases, trained.targets.names))


if __name__ == "__main__":
    command_line.run(main)
