"""Memory that a training step takes, by the features that its gradient needs.

The numbers below are fitted to peaks that were measured, each in a process of its own,
on a CPU: `python -m experiments.benchmark --suite=plan_memory` measures others.
"""

import math

from tf_diffseg.fields import part_values
from tf_diffseg.models.unet_arguments import UNetArguments, rows_of

# A process that has loaded TensorFlow and traced a step.
PROCESS_GIB = 1.0
# Weight, gradient, moments and average, and copies in the layout of the convolutions.
BYTES_PER_WEIGHT = 50
BYTES_PER_FEATURE = {"float32": 4.0, "mixed_bfloat16": 2.5, "mixed_float16": 2.5}
# Feature maps that are kept for each residual block, and with remat.
MAPS_PER_BLOCK, MAPS_PER_BLOCK_REMAT = 6.0, 1.0
# Feature maps of stem, sampling, skip connection and head at each resolution.
MAPS_PER_LEVEL = 4.0
# Volumes in float32: noise, masks, logits, losses and their gradients.
VOLUMES_PER_CLASS = 9.0
VOLUMES_PER_CHANNEL = 8.0
# Known voxels and their mask, padded, once for all coarser resolutions, whose logits,
# masks and losses are small.
VOLUMES_OF_COARSE_MASKS = 5.0
# See `tf_diffseg.models.chunked_attention`.
BYTES_PER_PAIR, MOST_ATTENTION_BYTES = 26, 110 * 2**20


def step_gib(config, num_classes, image_channels):
    """Estimates the peak memory of a process that trains.

    Args:
        config: `TrainConfig`.
        num_classes: channels of the mask.
        image_channels: channels of the image.

    Returns:
        GiB, including the process, if one device takes the whole batch.

    Raises:
        InputError: values of the network do not fit one another.
    """
    network = UNetArguments(
        num_classes,
        image_channels,
        mask_channels=0 if config.strategy == "supervised" else num_classes,
        **part_values(config, "network"),
    )
    examples = -(-config.batch_size // config.accumulation_steps)
    size = BYTES_PER_FEATURE[config.precision]
    voxels = _level_voxels(network, config.patch_shape)
    volumes = VOLUMES_PER_CLASS * num_classes + VOLUMES_PER_CHANNEL * image_channels
    volumes += VOLUMES_OF_COARSE_MASKS * num_classes * (network.deep_supervision > 0)
    of_example = (
        size * _num_features(network, voxels)
        + 4 * volumes * math.prod(config.patch_shape)
        + _attention_bytes(network, voxels[-1])
    )
    weights = BYTES_PER_WEIGHT * _num_weights(network)
    return PROCESS_GIB + (weights + examples * of_example) / 2**30


def _num_features(network, voxels):
    """Features of all maps that a gradient needs."""
    of_block = MAPS_PER_BLOCK + (network.dropout > 0)
    of_block = MAPS_PER_BLOCK_REMAT if network.remat else of_block
    of_level = MAPS_PER_LEVEL + 2 * (network.skip == "concat")
    features = sum(
        (of_block * blocks + of_level) * channels * number
        for (channels, blocks), number in zip(_blocks(network), voxels, strict=True)
    )
    if network.mask_branch and network.mask_output == "features":
        # Its finest resolution has no block.
        features += of_level * network.num_channels[0] * voxels[0]
    for channels, number in zip(network.mask_branch or (), voxels[1:], strict=False):
        features += (of_block + of_level) * channels * number
    return features


def _attention_bytes(network, tokens):
    """Weights of pairs of tokens and their gradients, in chunks if there are many."""
    return min(BYTES_PER_PAIR * network.num_heads * tokens**2, MOST_ATTENTION_BYTES)


def _level_voxels(network, shape):
    """Features per channel at each resolution, of a volume padded to the network."""
    voxels, sizes = [], tuple(map(_parts, shape, network.patch_size))
    steps = rows_of(network.scale_factor, len(network.num_channels) - 1)
    for factor in (*steps, (1, 1, 1)):
        voxels.append(math.prod(sizes))
        sizes = tuple(map(_parts, sizes, factor))
    return voxels


def _parts(size, of_size):
    return math.ceil(size / of_size)


def _blocks(network):
    """(channels, residual blocks on the way down and up) at each resolution."""
    *finer, coarsest = network.num_blocks
    blocks = [*(2 * number for number in finer), coarsest]
    return list(zip(network.num_channels, blocks, strict=True))


def _num_weights(network):
    kernels = rows_of(network.kernel_size, len(network.num_channels))
    weights = 0
    for (channels, blocks), kernel in zip(_blocks(network), kernels, strict=True):
        # Two convolutions a block, and one to the next resolution.
        weights += (2 * blocks + 1) * math.prod(kernel) * channels**2
    weights += sum(2 * 27 * channels**2 for channels in network.mask_branch or ())
    return weights + 4 * network.num_channels[-1] ** 2 * bool(network.num_heads)
