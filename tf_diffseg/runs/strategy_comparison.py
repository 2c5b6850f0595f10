"""Trains strategies side by side and scores them."""

import pathlib
import time

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.ablation.plans import check_plans
from tf_diffseg.runs.equal_length import check_not_longer
from tf_diffseg.runs.run_plan import plan_run


def compare_strategies(
    config, strategies, data_dir, output_dir, split="test", memory_gib=None
):
    """Trains each strategy, or goes on with it, and scores it on a split.

    It checks all it can before it trains the first.

    Args:
        config: `TrainConfig`; its strategy is ignored.
        strategies: names of the strategies.
        data_dir: folder of the shards and their manifest.
        output_dir: folder for a run folder per strategy and for comparison.json,
            comparison.md and comparison.png.
        split: name of the split to score on.
        memory_gib: as in `training.train`.

    Returns:
        List of `StrategyScores`.

    Raises:
        InputError: as in `training.train`, or a strategy does not fit the config.
        TrainingStopped: as in `training.train`.
        WorkerLost: as in `training.train`.
    """
    output_dir = output_folder("output_dir", output_dir)
    if output_dir.resolve() == pathlib.Path(data_dir).resolve():
        raise InputError(
            f"output_dir={output_dir} is `data_dir`, name another",
            argument="output_dir",
        )
    plans = {
        strategy: plan_run(
            config.with_values(strategy=strategy),
            data_dir,
            output_dir / strategy,
        )
        for strategy in strategies
    }
    for name, plan in plans.items():
        plan.manifest.shard_paths(data_dir, split)  # raises if there is none
        check_not_longer(name, plan)
    load_tensorflow()
    from tf_diffseg.reports import strategy_report

    check_plans(plans, "strategies", memory_gib)
    scores = [
        _train_and_score(strategy, plan, data_dir, split)
        for strategy, plan in plans.items()
    ]
    strategy_report.write(scores, output_dir)
    return scores


def _train_and_score(strategy, plan, data_dir, split):
    """`StrategyScores` of one strategy."""
    import keras

    from tf_diffseg.evaluation.strategy_scores import strategy_scores
    from tf_diffseg.evaluation.targets import targets_of
    from tf_diffseg.runs.evaluation import evaluate_run
    from tf_diffseg.runs.training_run import train_plan

    print(f"== {strategy}", flush=True)
    keras.backend.clear_session()
    started = time.monotonic()
    train_plan(plan)
    minutes = (time.monotonic() - started) / 60.0
    cases = evaluate_run(plan.run_folder, data_dir, split)
    classes = targets_of(plan.config, plan.manifest).names[1:]
    return strategy_scores(strategy, minutes, classes, cases)
