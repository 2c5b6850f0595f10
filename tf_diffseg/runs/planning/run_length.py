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
# The rest of the time is for validations and checkpoints.
TRAINING_SHARE = 0.85
# Fewer steps an epoch would make checkpoints a part of the cost.
STEPS_PER_EPOCH = 50
MOST_PATCHES_PER_VOLUME = 16
VALIDATIONS = 10
WARMUP_SHARE = 0.05


def patches_per_volume(num_cases, batch_size):
    """Patches of each case per epoch, so that an epoch is not too short."""
    wanted = -(-STEPS_PER_EPOCH * batch_size // num_cases)
    return min(MOST_PATCHES_PER_VOLUME, wanted)


def steps_in_time(step_seconds, hours):
    """Training steps that fit into the time, of `step_seconds` each."""
    return TRAINING_SHARE * hours * 3600 / step_seconds


def examples_in_time(steps):
    """Largest batch with which many of `steps` steps of a small batch are left."""
    return max(SMALL_BATCH, int(SMALL_BATCH * steps / MANY_STEPS))


def epochs_in_time(step_seconds, hours, steps_per_epoch):
    """Epochs of a run that ends in time, but at least some hundred steps.

    Args:
        step_seconds: seconds of a training step.
        hours: time for training, with its validations.
        steps_per_epoch: steps of an epoch.
    """
    steps = min(max(steps_in_time(step_seconds, hours), LEAST_STEPS), MOST_STEPS)
    return max(1, round(steps / steps_per_epoch))


def ema_momentum(steps):
    """Momentum of an average of the weights over about the last eighth of a run."""
    return round(min(0.999, max(0.9, 1 - 8 / steps)), 4)
