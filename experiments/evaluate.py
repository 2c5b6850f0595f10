r"""Evaluates a trained model on a split, on the grids of the original files.

    python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN \
        --split=test --output_dir=OUT

Writes metrics.json, metrics.csv (one row for each case and class, then means) and
overlays of the best, the median and the worst case.
"""

from absl import flags

from data_tools import command_line
from data_tools.errors import InputError
from data_tools.manifest import read_manifest
from data_tools.quiet import load_tensorflow
from experiments.output_path import output_folder
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
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the sampling noise.", lower_bound=0, upper_bound=2**31 - 1
)
flags.mark_flags_as_required(["data_dir", "model_dir", "output_dir"])


def main(argv):
    """Checks run and data, scores every case, writes the results."""
    del argv
    run_folder = RunFolder(_MODEL_DIR.value)
    config = run_folder.config()
    output_dir = output_folder("output_dir", _OUTPUT_DIR.value)
    _check_sampling_flags(config)
    manifest = read_manifest(_DATA_DIR.value)
    run_folder.check_data(manifest)
    run_folder.check_unseen(manifest, _SPLIT.value)
    shard_paths = manifest.shard_paths(_DATA_DIR.value, _SPLIT.value)
    uids = set(manifest.split(_SPLIT.value).uids)
    load_tensorflow()
    model = run_folder.load_model()

    from experiments import evaluation, evaluation_report
    from tf_diffseg.diffusion import SamplerKind

    if _SAMPLER.value:
        model.sampler = SamplerKind(_SAMPLER.value).build(model.diffusion)
    scorer = evaluation.CaseScorer(
        model, manifest, shard_paths, _NUM_SAMPLES.value, _SEED.value
    )
    cases = [scores for scores, _ in scorer.score(uids)]
    # The few that are drawn are segmented again rather than all of them kept.
    drawn = set(evaluation_report.drawn_cases(cases).values())
    volumes = {scores.uid: volumes for scores, volumes in scorer.score(drawn, "draw")}
    evaluation_report.write(cases, volumes, manifest, output_dir)


def _check_sampling_flags(config):
    for name in ("sampler", "num_samples"):
        if config.strategy == "supervised" and flags.FLAGS[name].present:
            raise InputError(
                f"--{name} does not apply: the run in --model_dir={_MODEL_DIR.value} "
                "is supervised, it does not sample"
            )


if __name__ == "__main__":
    command_line.run(main)
