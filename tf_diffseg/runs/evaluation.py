"""Scores of a trained run on the cases of a split."""

from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.evaluation.case_scores import CaseScorer
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels, paths_with


def evaluate_run(model_dir, data_dir, split="test", ensemble_with=(), **options):
    """Scores a run on a split.

    Args:
        model_dir: folder of a training run, or a checkpoint in it.
        data_dir: folder that `data_tools.convert_nifti` wrote.
        split: name of a split of which the run has seen nothing, or "train".
        ensemble_with: a further run or checkpoint, or several, whose mean is taken.
        **options: fields of `InferenceOptions`, as num_samples and seed.

    Returns:
        List of `CaseScores`, in the order of the shards.

    Raises:
        InputError: a folder is not as it must be, data and run do not fit, or an
            option is out of range.
    """
    trained = TrainedModels(
        paths_with(model_dir, ensemble_with), InferenceOptions(**options)
    )
    manifest = read_manifest(data_dir)
    trained.check_data(manifest, split)
    scorer = scorer_of(trained, manifest, manifest.shard_paths(data_dir, split))
    return [scores for scores, _ in scorer.score(set(manifest.split(split).uids))]


def scorer_of(trained, manifest, shard_paths):
    """The `CaseScorer` of `TrainedModels` with their options.

    Raises:
        InputError: as `check_counts` of the shards.
    """
    check_counts(manifest, shard_paths)
    options = trained.options
    return CaseScorer(
        trained.segmenter(with_steps=True),
        trained.targets,
        shard_paths,
        options.num_samples,
        options.seed,
        options.batch_size,
        options.post_processing(trained.manifest.class_names),
        trained.resampling,
        manifest.ignored_id,
    )
