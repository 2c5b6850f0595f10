r"""Evaluates a trained model on a split, on the grids of the original files.

    python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN \
        --split=test --output_dir=OUT

Writes metrics.json, metrics.csv (one row for each case and class, then means) and
overlays of the best, the median and the worst case.
"""

import pathlib

from absl import flags

from data_tools import command_line
from data_tools.errors import InputError
from data_tools.manifest import read_manifest
from data_tools.quiet import load_tensorflow
from experiments.run_folder import RunFolder

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of a training run.")
_SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate on.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the results.")
_SAMPLER = flags.DEFINE_enum(
    "sampler", None, ["ddim", "ddpm"], "Default: the sampler of the run's config."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", 1, "Samples whose mean is taken.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the sampling noise.", lower_bound=0)
flags.mark_flags_as_required(["data_dir", "model_dir", "output_dir"])


def main(argv):
    """Checks run and data, scores every case, writes the results."""
    del argv
    run_folder = RunFolder(_MODEL_DIR.value)
    run_folder.config()
    manifest = read_manifest(_DATA_DIR.value)
    run_folder.check_data(manifest)
    shard_paths = manifest.shard_paths(_DATA_DIR.value, _SPLIT.value)
    num_cases = len(manifest.split(_SPLIT.value).uids)
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    if output_dir.is_file():
        raise InputError(f"--output_dir={output_dir} is a file, expected a folder")
    load_tensorflow()
    model = run_folder.load_model()

    from experiments import evaluation, evaluation_report
    from tf_diffseg.diffusion import SamplerKind

    if _SAMPLER.value and model.diffusion:
        model.sampler = SamplerKind(_SAMPLER.value).build(model.diffusion)
    cases = evaluation.score_cases(
        model, manifest, shard_paths, num_cases, _NUM_SAMPLES.value, _SEED.value
    )
    evaluation_report.write(cases, manifest, output_dir)


if __name__ == "__main__":
    command_line.run(main)
