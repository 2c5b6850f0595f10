"""The scores of a fold: of the cases that its network has not seen.

They are kept in the run folder, so that a cross-validation that was stopped does not
score a fold again.
"""

import dataclasses
import json

from tf_diffseg.data.manifest import file_sha256
from tf_diffseg.evaluation.stored_scores import scores_from_json, scores_to_json
from tf_diffseg.metrics import CaseMetrics
from tf_diffseg.reports.report_page import ReportPage
from tf_diffseg.runs.evaluation import scorer_of
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.text import read_json
from tf_diffseg.version import __version__
from tf_diffseg.whole_files import write_json

_FILE = "fold_scores.json"


@dataclasses.dataclass(frozen=True)
class FoldScores:
    """The scores of one fold.

    Attributes:
        checkpoint: path of the network that was scored.
        cases: list of `CaseScores`.
        entries: the cases of a `ReportPage`.
        outside_uids: as `CaseScorer.outside_uids`.
        saved_steps: as `TrainedModels.saved_steps`.
    """

    checkpoint: str
    cases: list
    entries: list
    outside_uids: list
    saved_steps: float | None


def score_fold(plan, options, viewer_bytes):
    """Scores the newest network of a fold on its validation, unless that is done.

    Args:
        plan: `RunPlan` of the fold, which is trained.
        options: `InferenceOptions`.
        viewer_bytes: as for `ReportPage`.

    Returns:
        `FoldScores`.

    Raises:
        InputError: as in `evaluation.evaluate_run`, or the scores cannot be written.
    """
    trained = TrainedModels([plan.run_folder.path], options)
    (checkpoint,) = trained.checkpoints
    path = plan.run_folder.path / _FILE
    # What they are scores of, as JSON has it.
    of = {
        "checkpoint": checkpoint.name,
        "sha256": file_sha256(checkpoint),
        "options": dataclasses.asdict(options),
        "viewer_bytes": viewer_bytes,
        "version": __version__,
    }
    of = json.loads(json.dumps(of))
    if path.is_file() and _are_scores(found := read_json(path), of):
        return _from_json(checkpoint, found)
    uids = plan.manifest.split("validation").uids
    page = ReportPage(plan.manifest, trained.targets, "validation", viewer_bytes)
    scorer = scorer_of(trained, plan.manifest, plan.shard_paths["validation"])
    cases = []
    for scores, volumes in scorer.score(set(uids), f"fold {plan.config.fold}"):
        cases.append(scores_to_json(scores))
        page.add(scores, volumes)
    found = {
        "of": of,
        "cases": cases,
        "entries": page.entries(),
        "outside_uids": scorer.outside_uids,
        "saved_steps": trained.saved_steps,
    }
    write_json(path, found)
    return _from_json(checkpoint, found)


def _are_scores(found, of):
    """Whether stored scores are of what is asked for, and have all metrics."""
    names = [field.name for field in dataclasses.fields(CaseMetrics)]
    return found.get("of") == of and all(
        [*case["metrics"]] == names for case in found["cases"]
    )


def _from_json(checkpoint, found):
    return FoldScores(
        str(checkpoint),
        list(map(scores_from_json, found["cases"])),
        found["entries"],
        found["outside_uids"],
        found["saved_steps"],
    )
