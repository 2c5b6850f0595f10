"""Trains arms for several seeds each, scores them, and compares them.

An ablation's folder holds `shared`, the config and manifest of all; `settings.json`,
the chosen lengths; `runs/ARM/seed-0`, a run each; `SPLIT/ARM/seed-0`, its scores on a
split; and the tables, `SPLIT/ablation.*`.
"""

import dataclasses
import gc
import pathlib
import time

from tf_diffseg.data.manifest import Manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.ablation.arms import make_arms
from tf_diffseg.runs.ablation.plans import check_plans
from tf_diffseg.runs.ablation.settings import changed_config, settings_of, shared_folder
from tf_diffseg.runs.equal_length import check_not_longer
from tf_diffseg.runs.folds.run_data import read_run_data
from tf_diffseg.runs.run_plan import plan_run
from tf_diffseg.whole_files import alone_in


def run_ablation(
    config,
    changes,
    data_dir,
    output_dir,
    chosen=(),
    num_seeds=3,
    budget_minutes=None,
    equal="steps",
    split="validation",
    memory_gib=None,
):
    """Trains and scores every arm for every seed, or goes on with it.

    It checks all it can before it trains the first. All arms are trained with a seed
    before the next seed; then the table is written. It has the arms of earlier calls
    too, if they have as many seeds.

    Args:
        config: `TrainConfig` that all arms share: the default arm.
        changes: dict from the names of the other arms to their changes of it.
        data_dir: folder of the shards and their manifest.
        output_dir: folder of all runs and results. Runs that it holds are not trained
            again; arms, seeds and splits that are new are added.
        chosen: names of the arms to train beside the default; empty for all.
        num_seeds: number of seeds; the first is that of the config.
        budget_minutes: time for all of it, by which the length of the runs is chosen;
            None for the epochs of the config.
        equal: whether all arms are trained for equal "steps" or "minutes".
        split: name of the split to score on.
        memory_gib: as in `training.train`.

    Returns:
        Result of `compare_arms`.

    Raises:
        InputError: as in `training.train`; an arm is wrong or cannot be trained; the
            folder was begun with other settings, or has more seeds; or the time is too
            short.
        TrainingStopped: as in `training.train`.
        WorkerLost: as in `training.train`.
    """
    deadline = budget_minutes and time.monotonic() + 60 * budget_minutes
    folder = output_folder("output_dir", output_dir)
    ablation = _Ablation(data_dir, folder, read_run_data(config, data_dir), split)
    ablation.check(config, equal)
    settings = settings_of(folder, config, equal, budget_minutes)
    known = {**settings.arms, **changes}
    arms = make_arms(config, known, chosen or list(changes))
    ablation.check_seeds(arms[0], num_seeds)
    plans = {arm.name: ablation.plan(arm, 0, config.epochs) for arm in arms}
    load_tensorflow()
    check_plans(plans, "arms", memory_gib)
    from tf_diffseg.runs.ablation.lengths import with_lengths

    with alone_in("output_dir", folder):
        shared_folder(folder).begin(config, ablation.manifest)
        settings = with_lengths(
            settings, arms, ablation.manifest, num_seeds, ablation.measure, deadline
        )
        settings = settings.with_arms(arms, known)
        settings.write(folder)
        all_arms = make_arms(config, settings.arms)
        for seed in range(num_seeds):
            for arm in arms:
                ablation.train_and_score(arm, seed, settings.epochs[arm.name])
            rows = ablation.compare(all_arms, seed + 1, settings.epochs)
    return rows


@dataclasses.dataclass(frozen=True)
class _Ablation:
    """What all runs share."""

    data_dir: str
    folder: pathlib.Path
    manifest: Manifest
    split: str

    def check(self, config, equal):
        """Raises InputError if split, folder or config cannot be used."""
        self.manifest.shard_paths(self.data_dir, self.split)
        if self.folder.resolve() == pathlib.Path(self.data_dir).resolve():
            raise InputError(
                f"output_dir={self.folder} is `data_dir`, name another",
                argument="output_dir",
            )
        if config.early_stopping:
            raise InputError(
                f"early_stopping={config.early_stopping} would end some arms before "
                f"others, and all are to have equal {equal}",
                argument="early_stopping",
            )

    def check_seeds(self, default, num_seeds):
        """Refuses fewer seeds than there are, which a table would lose."""
        done = 0
        while self.is_scored(default, done):
            done += 1
        if num_seeds < done:
            raise InputError(
                f"seeds={num_seeds}: {self.folder / self.split} has tables of {done} "
                f"seeds, and arms that are added need as many; name {done} or more",
                argument="seeds",
            )

    def is_scored(self, arm, seed):
        """Whether the run of an arm is trained and scored."""
        from tf_diffseg.runs.ablation.scores import SCORES

        _, scores = self.folders(arm, seed)
        return (scores / SCORES).is_file()

    def folders(self, arm, seed):
        """Folders of a run and of its scores."""
        place = pathlib.Path(arm.name, f"seed-{arm.config.seed + seed}")
        return self.folder / "runs" / place, self.folder / self.split / place

    def plan(self, arm, seed, epochs):
        """`RunPlan`; nothing is validated, as runs are scored in the end."""
        lengths = {"epochs": epochs, "validation_frequency": epochs + 1}
        config = dataclasses.replace(arm.config, seed=arm.config.seed + seed, **lengths)
        run, _ = self.folders(arm, seed)
        try:
            plan = plan_run(config, self.data_dir, run)
        except InputError as error:
            raise InputError(f"arms={arm.name}: {error}", argument="arms") from error
        changed = changed_config(plan.run_folder, plan.config, besides=lengths)
        if changed:
            raise InputError(
                f"arms={arm.name}: {run} was begun with other values: "
                f"{'; '.join(changed)}. Give the arm another name",
                argument="arms",
            )
        return plan

    def measure(self, arm):
        """`RunCost` of an arm."""
        from tf_diffseg.runs.ablation.costs import measure_run

        print(f"measuring {arm.name}", flush=True)
        return measure_run(arm.config, self.manifest, self.data_dir, self.split)

    def train_and_score(self, arm, seed, epochs):
        """Does what is not done yet."""
        import keras

        from tf_diffseg.runs.ablation.clock import Clock
        from tf_diffseg.runs.ablation.scores import score_run
        from tf_diffseg.runs.training_run import train_plan

        run, scores = self.folders(arm, seed)
        if self.is_scored(arm, seed):
            print(f"== {arm.name}, {run.name}: done", flush=True)
            return
        print(f"== {arm.name}, {run.name}", flush=True)
        # Graphs of earlier runs would fill the memory.
        keras.backend.clear_session()
        gc.collect()
        plan = self.plan(arm, seed, epochs)
        check_not_longer(arm.name, plan)
        train_plan(plan, callbacks=[Clock(run)])
        score_run(plan.run_folder, self.manifest, self.data_dir, self.split, scores)

    def compare(self, arms, num_seeds, epochs):
        """Compares the arms that have the first seeds, and writes the tables."""
        from tf_diffseg.evaluation.arm_scores import compare_arms
        from tf_diffseg.reports import ablation_report
        from tf_diffseg.runs.ablation.scores import read_arm
        from tf_diffseg.runs.fitting import steps_per_epoch

        scores, left_out = [], []
        for arm in arms:
            done = sum(self.is_scored(arm, seed) for seed in range(num_seeds))
            if done < num_seeds:
                left_out.append(f"{arm.name} ({done} of {num_seeds} seeds)")
                continue
            steps = epochs[arm.name] * steps_per_epoch(arm.config, self.manifest)
            folders = [self.folders(arm, seed) for seed in range(num_seeds)]
            scores.append(read_arm(arm, steps, folders))
        rows = compare_arms(scores)
        found = {
            "dataset": self.manifest.dataset,
            "split": self.split,
            "left_out": left_out,
        }
        if left_out:
            print(f"not in the table: {', '.join(left_out)}", flush=True)
        ablation_report.write(scores, rows, found, self.folder / self.split)
        return rows
