"""Memory that a training step takes, by the features that its gradient needs.

The numbers below are fitted to peaks that were measured, each in a process of its own,
on a CPU: `python -m experiments.benchmark --suite=plan_memory` measures others.
"""

import math

from tf_diffseg.models.unet_arguments import rows_of

# A process that has loaded TensorFlow and traced a step.
PROCESS_GIB = 1.0
# Weight, gradient, two moments of the optimizer and the average of the weights, and
# what oneDNN and the graph keep of them.
BYTES_PER_WEIGHT = 24
# Feature maps that are kept for each residual block: input and output of two
# convolutions, a norm and two activations; and of these with remat.
MAPS_PER_BLOCK = 8.0
MAPS_PER_BLOCK_REMAT = 3.0
# Feature maps of stem, sampling, skip connection and head at each resolution.
MAPS_PER_LEVEL = 6.0
# Volumes in float32 for each class: noise, masks, logits, losses and their gradients.
VOLUMES_PER_CLASS = 14.0
VOLUMES_PER_CHANNEL = 4.0


def step_gib(config, num_classes, image_channels, num_devices=1):
    """Estimates the peak memory of a process that trains.

    Args:
        config: `TrainConfig`.
        num_classes: channels of the mask.
        image_channels: channels of the image.
        num_devices: devices that share the batch, each with its own memory.

    Returns:
        GiB on each device, including the process.
    """
    examples = -(-config.batch_size // (num_devices * config.accumulation_steps))
    per_example = _example_bytes(config, num_classes, image_channels)
    weights = BYTES_PER_WEIGHT * _num_weights(config)
    return PROCESS_GIB + (weights + examples * per_example) / 2**30


def _example_bytes(config, num_classes, image_channels):
    voxels = _level_voxels(config)
    bytes_of_feature = 4 if config.precision == "float32" else 2
    maps = MAPS_PER_BLOCK_REMAT if config.remat else MAPS_PER_BLOCK
    features = 0.0
    for level, (channels, blocks) in enumerate(_blocks(config)):
        kept = maps * blocks + MAPS_PER_LEVEL
        features += kept * channels * voxels[level]
    for level, channels in enumerate(config.mask_branch or (), 1):
        features += (maps + MAPS_PER_LEVEL) * channels * voxels[level]
    volumes = VOLUMES_PER_CLASS * num_classes + VOLUMES_PER_CHANNEL * image_channels
    return (
        bytes_of_feature * features
        + 4 * volumes * math.prod(config.patch_shape)
        + _attention_bytes(config, voxels[-1], bytes_of_feature)
    )


def _attention_bytes(config, tokens, bytes_of_feature):
    """Scores of all pairs of tokens: before and after softmax, and their gradients."""
    return 4 * config.num_heads * tokens**2 * bytes_of_feature


def _level_voxels(config):
    """Voxels at each resolution, of a patch padded to the network's multiple."""
    factors = rows_of(config.scale_factor, len(config.num_channels) - 1)
    sizes = [
        math.ceil(size / patch)
        for size, patch in zip(config.patch_shape, config.patch_size, strict=True)
    ]
    voxels = [math.prod(sizes)]
    for factor in factors:
        sizes = [math.ceil(size / by) for size, by in zip(sizes, factor, strict=True)]
        voxels.append(math.prod(sizes))
    return voxels


def _blocks(config):
    """(channels, residual blocks) at each resolution."""
    channels = config.num_channels
    blocks = config.num_blocks or (1, *(2 for _ in channels[1:]))
    both_ways = [2 * number for number in blocks[:-1]] + [blocks[-1]]
    return list(zip(channels, both_ways, strict=True))


def _num_weights(config):
    kernels = rows_of(config.kernel_size, len(config.num_channels))
    weights = 0
    for (channels, blocks), kernel in zip(_blocks(config), kernels, strict=True):
        # Two convolutions a block, one to sample, one for the skip or the time.
        weights += (2 * blocks + 1) * math.prod(kernel) * channels**2
    weights += sum(2 * 27 * channels**2 for channels in config.mask_branch or ())
    return weights + 4 * config.num_channels[-1] ** 2 * bool(config.num_heads)
