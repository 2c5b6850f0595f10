"""A light branch for noisy mask and time, beside the U-Net of the image.

In the reverse process the image stays as it is: its features are computed once, and
each step runs this branch alone. It works at lower resolutions, where it takes in what
the image's way up has at each, and ends in one convolution at the finest.
"""

import keras


class Branches:
    """The parts of a network of two branches, as models that share its layers.

    No Keras object, so that Keras neither saves nor counts them beside the network.

    Args:
        inputs: dict of the network's inputs.
        image_features: list of what the image's branch hands over.
        logits: the network's output.
        dtype: the network's policy, or None.

    Attributes:
        of_image: model of the image to `image_features`.
        of_mask: model of [*image_features, x_t, t] to the logits.
    """

    def __init__(self, inputs, image_features, logits, dtype):
        self.of_image = keras.Model(inputs["image"], image_features)
        mask_inputs = [*image_features, inputs["x_t"], inputs["t"]]
        self.of_mask = keras.Model(mask_inputs, logits)
        if dtype is not None:
            self.of_image.dtype_policy = self.of_mask.dtype_policy = dtype


def project_levels(levels, channels, conv):
    """The image's features as the mask's branch takes them in.

    Args:
        levels: of the image's way up, finest first.
        channels: of the mask's branch at each resolution but the finest.
        conv: function (channels, kernel_size, name) to a convolution.

    Returns:
        List: the finest as they are, each other one with its number of channels.
    """
    projected = [
        conv(number, 1, name=f"to_mask_{index}")(features)
        for index, (number, features) in enumerate(
            zip(channels, levels[1:], strict=False), 1
        )
    ]
    return [levels[0], *projected]


def join_mask(mask, image_features, channels, block, conv, up, kernel_size, strides):
    """The mask's branch: a small U-Net that adds the image's features at each level.

    Args:
        mask: padded noisy mask.
        image_features: of `project_levels`.
        channels: at each resolution, the finest included.
        block: function (features, channels, name) to a residual block with the time.
        conv: function (channels, kernel_size, strides, name) to a convolution.
        up: function (channels, name) to an upsampling convolution.
        kernel_size: of the convolution at the finest resolution.
        strides: from the mask to the second finest resolution, and from one
            resolution to the next.

    Returns:
        Features at the finest resolution.
    """
    # The finest resolution costs most: the mask skips it on the way down.
    first, further = strides
    features = conv(channels[1], first, first, name="mask_stem")(mask)
    skips = []
    for level in range(1, len(channels)):
        if level > 1:
            down = conv(channels[level], further, further, name=f"mask_down_{level}")
            features = down(features)
        features = _add(f"mask_and_image_{level}", features, image_features[level])
        features = block(features, channels[level], f"mask_encoder_{level}")
        skips.append(features)
    for level in range(len(channels) - 2, 0, -1):
        features = up(channels[level], name=f"mask_up_{level}")(features)
        features = _add(f"mask_skip_{level}", features, skips[level - 1])
    features = up(channels[0], name="mask_up_0")(features)
    features = _add("mask_and_image_0", features, image_features[0])
    features = keras.ops.leaky_relu(features, negative_slope=0.01)
    return conv(channels[0], kernel_size, name="mask_head")(features)


def _add(name, *features):
    return keras.layers.Add(dtype=features[0].dtype, name=name)(list(features))
