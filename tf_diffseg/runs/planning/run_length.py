"""Epochs, warm-up and validations of a run that has limited time."""

# A longer run is rarely better: nnU-Net's has 250,000 steps for far larger networks.
MOST_STEPS = 50_000
LEAST_STEPS = 100
# With fewer, a network sees too little of the data: features become coarser first, and
# patches are cut if even then there are fewer than the second number.
ENOUGH_STEPS, FEWEST_STEPS = 1_000, 500
# Noise of the gradient helps as long as there are few steps: time for more of them goes
# into larger batches, which a GPU needs to be busy. nnU-Net has the same share of the
# data in a batch at most.
MANY_STEPS = 20_000
SMALL_BATCH, BATCH_SHARE = 2, 0.05
# The rest of the time is for checkpoints.
TRAINING_SHARE, VALIDATIONS_SHARE = 0.85, 0.1
# A validation that takes more of the time is not worth it.
MOST_VALIDATION_SHARE = 0.3
# Fewer steps an epoch would make checkpoints a part of the cost.
STEPS_PER_EPOCH = 50
MOST_PATCHES_PER_VOLUME = 16
VALIDATIONS = 10
WARMUP_SHARE = 0.05


def patches_per_volume(rounds_per_epoch):
    """Patches of each case per epoch, so that an epoch is not too short."""
    return min(MOST_PATCHES_PER_VOLUME, -(-STEPS_PER_EPOCH // rounds_per_epoch))


def validations_in_time(validation_share):
    """How often a run is validated, and the time that is left for training.

    Args:
        validation_share: time of one validation, as a share of the time of the run.

    Returns:
        (number of validations, share of the time for training). There is one if it
        takes too long for more, and none if it would take as long as much of the
        training.
    """
    number = min(VALIDATIONS, int(VALIDATIONS_SHARE / max(validation_share, 1e-9)))
    if number:
        return number, TRAINING_SHARE
    if validation_share > MOST_VALIDATION_SHARE:
        return 0, TRAINING_SHARE + VALIDATIONS_SHARE
    return 1, TRAINING_SHARE + VALIDATIONS_SHARE - validation_share


def steps_in_time(step_seconds, hours, training_share=TRAINING_SHARE):
    """Training steps that fit into the time, of `step_seconds` each."""
    return training_share * hours * 3600 / step_seconds


def examples_in_time(steps):
    """Largest batch with which many of `steps` steps of a small batch are left."""
    return max(SMALL_BATCH, int(SMALL_BATCH * steps / MANY_STEPS))


def epochs_in_time(steps, steps_per_epoch):
    """Epochs of a run of so many steps, but at least some hundred steps.

    Args:
        steps: as from `steps_in_time`.
        steps_per_epoch: steps of an epoch.
    """
    steps = min(max(steps, LEAST_STEPS), MOST_STEPS)
    return max(1, round(steps / steps_per_epoch))


def ema_momentum(steps):
    """Momentum of an average of the weights over about the last eighth of a run."""
    return round(min(0.999, max(0.9, 1 - 8 / steps)), 4)
