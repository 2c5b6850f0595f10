"""Chooses how long each arm is trained, the same for all."""

import dataclasses
import time

from tf_diffseg.errors import InputError
from tf_diffseg.runs.fitting import steps_per_epoch
from tf_diffseg.runs.planning.run_length import TRAINING_SHARE


def with_lengths(settings, arms, manifest, num_seeds, measure, deadline=None):
    """Adds the epochs of all arms to `Settings`; tells what it chose.

    Args:
        settings: `Settings`. If they have a length, it holds for new arms too.
        arms: list of `Arm`s, the default first.
        manifest: `Manifest` of the data.
        num_seeds: number of seeds.
        measure: function from an `Arm` to its `RunCost`.
        deadline: `time.monotonic()` at which all runs are to be done, or None to take
            the epochs of the config.

    Returns:
        `Settings`.

    Raises:
        InputError: the time is too short.
    """
    arms = [arm for arm in arms if arm.name not in settings.epochs]
    if not arms:
        return settings
    steps = {arm.name: steps_per_epoch(arm.config, manifest) for arm in arms}
    is_first, equal = settings.length is None, settings.equal
    costs = {}
    if equal == "minutes" or (is_first and deadline):
        costs = {arm.name: measure(arm) for arm in arms}
    length = settings.length
    if is_first and deadline:
        seconds = deadline - time.monotonic()
        length = length_in_time(equal, costs.values(), num_seeds, seconds)
    elif is_first:
        default = arms[0]
        length = default.config.epochs * steps[default.name]
        if equal == "minutes":
            length *= costs[default.name].step_seconds / 60
    # A step is measured to about a tenth: rounded down, arms that take as long as the
    # default would often have an epoch less.
    has_to_fit = equal == "steps" or deadline
    epochs = {
        name: _epochs(equal, length, steps[name], costs.get(name), has_to_fit)
        for name in steps
    }
    _tell(equal, length, epochs, steps, costs, num_seeds)
    return dataclasses.replace(settings, length=length, epochs=settings.epochs | epochs)


def length_in_time(equal, costs, num_seeds, seconds):
    """The equal length of runs that fit into a time, one for each arm and seed.

    Args:
        equal: "steps" or "minutes".
        costs: the `RunCost` of each arm.
        num_seeds: number of seeds.
        seconds: time for all runs.

    Returns:
        Number of steps, or minutes of training; it may be a fraction.

    Raises:
        InputError: the time is too short for any training.
    """
    once = num_seeds * sum(cost.other_seconds for cost in costs)
    training = TRAINING_SHARE * (seconds - once)
    num_runs = num_seeds * len(costs)
    if training <= 0:
        raise InputError(
            f"budget_minutes: starting and scoring {num_runs} runs takes about "
            f"{once / 60:.1f} minutes, and {max(0.0, seconds) / 60:.1f} are left after "
            "measuring; give more time, or choose fewer `arms` or `seeds`",
            argument="budget_minutes",
        )
    if equal == "minutes":
        return training / 60 / num_runs
    return training / (num_seeds * sum(cost.step_seconds for cost in costs))


def _epochs(equal, length, steps_per_epoch, cost, has_to_fit):
    """Whole epochs, no longer than the length, or nearest to it."""
    steps = length if equal == "steps" else length * 60 / cost.step_seconds
    epochs = steps / steps_per_epoch
    epochs = int(epochs + 1e-6) if has_to_fit else round(epochs)
    if not epochs:
        raise InputError(
            f"equal={equal}: a run would have {steps:.1f} steps, and an epoch has "
            f"{steps_per_epoch}; give more time, or choose fewer `arms` or `seeds`",
            argument="equal",
        )
    return epochs


def _tell(equal, length, epochs, steps, costs, num_seeds):
    amount = f"{int(length)} steps" if equal == "steps" else f"{length:.2f} minutes"
    print(f"each run: {amount}, in whole epochs", flush=True)
    total = 0.0
    for name, number in epochs.items():
        text = f"  {name}: {number} epoch(s) of {steps[name]} steps"
        if name in costs:
            seconds = number * steps[name] * costs[name].step_seconds
            total += num_seeds * (seconds + costs[name].other_seconds)
            text += f", {seconds / 60:.1f} minutes at {costs[name].step_seconds:.3g} s"
        print(text, flush=True)
    about = f", about {total / 60:.0f} minutes with scoring" if costs else ""
    print(f"{num_seeds * len(epochs)} runs{about}", flush=True)
