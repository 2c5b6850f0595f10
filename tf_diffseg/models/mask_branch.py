"""A light branch for noisy mask and time, beside the U-Net of the image.

The reverse process does not change the image, so its features are computed once and
each step runs only this branch. The branch works at lower resolutions, where it adds
the features of the image's way up. It ends with one convolution at the finest
resolution, or corrects the logits of the image without one, which costs least.
"""

import keras


class Branches:
    """The two branches of a network, as models that share its layers.

    This is no Keras object, so that Keras does not save or count the models in addition
    to the network.

    Args:
        inputs: dict of the network's inputs.
        image_features: list of the outputs of the image branch.
        logits: the network's output.
        deep_logits: list of logits of coarser resolutions of the image branch.
        dtype: the network's policy, or None.

    Attributes:
        image_model: model from the image to `image_features`.
        deep_model: model from the image to [*image_features, *deep_logits].
        mask_model: model from [*image_features, x_t, t] to the logits.
    """

    def __init__(self, inputs, image_features, logits, deep_logits, dtype):
        self.image_model = keras.Model(inputs["image"], image_features)
        self.deep_model = keras.Model(inputs["image"], [*image_features, *deep_logits])
        mask_inputs = [*image_features, inputs["x_t"], inputs["t"]]
        self.mask_model = keras.Model(mask_inputs, logits)
        if dtype is not None:
            for model in (self.image_model, self.deep_model, self.mask_model):
                model.dtype_policy = dtype


def project_levels(levels, channels, conv):
    """Brings the image's features to the channels of the mask branch.

    Args:
        levels: features of the image's way up, finest first.
        channels: of the mask branch at each resolution except the finest.
        conv: function (channels, kernel_size, name) that makes a convolution.

    Returns:
        List of features: the finest unchanged, the others with `channels` channels.
    """
    projected = [
        conv(number, 1, name=f"to_mask_{level}")(levels[level])
        for level, number in enumerate(channels, 1)
    ]
    return [levels[0], *projected]


def join_mask(mask, image_features, channels, block, conv, up, strides):
    """A small U-Net of the mask that adds the image's features at each level.

    Args:
        mask: padded noisy mask.
        image_features: result of `project_levels`; the finest are not used.
        channels: at each resolution, including the finest.
        block: function (features, channels, level, name) that applies a residual block
            with the time.
        conv: function (channels, kernel_size, strides, name) that makes a convolution.
        up: function (features, channels, level, name) that brings features from the
            next coarser resolution to that of `level`.
        strides: from the mask to the second finest resolution, and from there from each
            resolution to the next.

    Returns:
        Features at the second finest resolution.
    """
    # The finest resolution costs most, so the way down leaves it out.
    features = conv(channels[1], strides[0], strides[0], name="mask_stem")(mask)
    skips = []
    for level in range(1, len(channels)):
        if level > 1:
            stride = strides[level - 1]
            down = conv(channels[level], stride, stride, name=f"mask_down_{level}")
            features = down(features)
        features = add(f"mask_and_image_{level}", features, image_features[level])
        features = block(features, channels[level], level, f"mask_encoder_{level}")
        skips.append(features)
    for level in range(len(channels) - 2, 0, -1):
        features = up(features, channels[level], level, f"mask_up_{level}")
        features = add(f"mask_skip_{level}", features, skips[level - 1])
    return features


def add(name, *features):
    """Sum of features, in their type."""
    return keras.layers.Add(dtype=features[0].dtype, name=name)(list(features))
