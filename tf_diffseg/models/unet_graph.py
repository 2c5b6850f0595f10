"""The layers of a U-Net and how they are connected."""

import functools

import keras

from tf_diffseg.models.convolutions import Conv3D, Conv3DTranspose
from tf_diffseg.models.fit_shape import CropLike, PadToMultiple
from tf_diffseg.models.mask_branch import add, join_mask, project_levels
from tf_diffseg.models.norms import build_norm
from tf_diffseg.models.residual_block import ResidualBlock3D
from tf_diffseg.models.self_attention import SelfAttention3D
from tf_diffseg.models.time_embedding import TimeEmbedding
from tf_diffseg.models.unet_arguments import rows_of, shape_multiple


class UNetGraph:
    """Builds the graph of a U-Net.

    The names of the layers and the order in which they are made are those of saved
    weights.

    Args:
        arguments: `UNetArguments`.
        dtype: policy of the layers, or None for the global one.
    """

    def __init__(self, arguments, dtype):
        self._arguments = arguments
        self._dtype = dtype
        num_levels = len(arguments.num_channels)
        self._kernels = rows_of(arguments.kernel_size, num_levels)
        self._scales = rows_of(arguments.scale_factor, num_levels - 1)
        self._axes = _mixed_axes(arguments)
        # No biases, because the norms shift.
        unbiased = {"padding": "same", "use_bias": False, "dtype": dtype}
        self._conv = functools.partial(Conv3D, **unbiased)
        self._transposed = functools.partial(Conv3DTranspose, **unbiased)

    def build(self):
        """Makes and connects the layers.

        Returns:
            `(inputs, image_features, logits, deep_logits)`: a dict from name to input,
            the features that a mask branch takes or None, the output, and a list of
            the logits of coarser resolutions.
        """
        inputs = self._inputs()
        time_embedding = None
        if "t" in inputs:
            time_embedding = TimeEmbedding(
                4 * self._arguments.num_channels[0],
                dtype=self._dtype,
                name="time_embedding",
            )(inputs["t"])
        timed_block = functools.partial(self._block, time_embedding=time_embedding)
        if not self._arguments.mask_branch:
            levels = self._unet(self._image_and_mask(inputs), timed_block)
            logits = self._head(levels[0], inputs["image"])
            return inputs, None, logits, self._deep_logits(levels)
        levels = self._unet(inputs["image"], self._block)
        features = project_levels(levels, self._arguments.mask_branch, self._conv)
        finish = self._join_features
        if self._arguments.mask_output == "logits":
            features = self._with_logits(levels[0], features, inputs["image"])
            finish = self._add_logits
        joined = self._join_mask(inputs["x_t"], features, timed_block)
        logits = finish(joined, features[0], inputs["x_t"])
        return inputs, features, logits, self._deep_logits(levels)

    def _inputs(self):
        volume = (None, None, None)
        image_channels = self._arguments.image_channels
        mask_channels = self._arguments.mask_channels
        inputs = {"image": keras.Input((*volume, image_channels), name="image")}
        if mask_channels:
            inputs["x_t"] = keras.Input((*volume, mask_channels), name="x_t")
            inputs["t"] = keras.Input((), name="t")
        return inputs

    def _image_and_mask(self, inputs):
        """The image, with the noisy mask as further channels if there is one."""
        if "x_t" not in inputs:
            return inputs["image"]
        layer = keras.layers.Concatenate(dtype=self._dtype, name="image_and_mask")
        return layer([inputs["image"], inputs["x_t"]])

    def _block(self, features, channels, level, name, time_embedding=None):
        layer = ResidualBlock3D(
            channels,
            self._kernels[level],
            self._axes,
            self._arguments.dropout,
            self._arguments.remat,
            self._arguments.norm,
            dtype=self._dtype,
            name=name,
        )
        return layer(features, time_embedding)

    def _up(self, features, channels, level, name):
        """Features at `level`, from those of the next coarser one."""
        scale = self._scales[level]
        return self._transposed(channels, scale, scale, name=name)(features)

    def _pad(self, volume, name):
        multiple = self._multiple(len(self._arguments.num_channels))
        return PadToMultiple(multiple, dtype=self._dtype, name=name)(volume)

    def _multiple(self, num_levels):
        arguments = self._arguments
        return shape_multiple(arguments.patch_size, arguments.scale_factor, num_levels)

    def _unet(self, volume, block):
        """Features of each level of the way up, finest first."""
        arguments = self._arguments
        stem_kernel = tuple(map(max, self._kernels[0], arguments.patch_size))
        stem = self._conv(
            arguments.num_channels[0], stem_kernel, arguments.patch_size, name="stem"
        )
        features, skips = self._encode(stem(self._pad(volume, "pad")), block)
        return self._decode(self._bottom(features, block), skips, block)

    def _encode(self, features, block):
        """Way down; returns the coarsest features and a list of the finer ones."""
        arguments, skips = self._arguments, []
        for level, channels in enumerate(arguments.num_channels[:-1]):
            for index in range(arguments.num_blocks[level]):
                features = block(features, channels, level, f"encoder_{level}_{index}")
            skips.append(features)
            # The kernel is that of the coarser resolution, as in nnU-Net: where an axis
            # is scaled for the first time, the kernel of the finer one may still be 1
            # along it, and would skip every other voxel.
            features = self._conv(
                arguments.num_channels[level + 1],
                self._kernels[level + 1],
                self._scales[level],
                name=f"down_{level}",
            )(features)
        return features, skips

    def _bottom(self, features, block):
        arguments = self._arguments
        level = len(arguments.num_channels) - 1
        for index in range(arguments.num_blocks[level]):
            channels = arguments.num_channels[level]
            features = block(features, channels, level, f"bottom_{index}")
            if arguments.num_heads and index == 0:
                features = SelfAttention3D(
                    arguments.num_heads,
                    self._axes,
                    arguments.remat,
                    arguments.norm,
                    dtype=self._dtype,
                    name="bottom_attention",
                )(features)
        return features

    def _decode(self, features, skips, block):
        """Way up, which merges `skips`; returns the features of each level."""
        arguments, levels = self._arguments, [features]
        is_sum = arguments.skip == "add"
        merge = keras.layers.Add if is_sum else keras.layers.Concatenate
        for level in reversed(range(len(skips))):
            channels = arguments.num_channels[level]
            features = self._up(features, channels, level, f"up_{level}")
            skip = merge(dtype=self._dtype, name=f"skip_{level}")
            features = skip([features, skips[level]])
            for index in range(arguments.num_blocks[level]):
                features = block(features, channels, level, f"decoder_{level}_{index}")
            levels.insert(0, features)
        return levels

    def _join_mask(self, mask, image_features, block):
        arguments = self._arguments
        return join_mask(
            self._pad(mask, "mask_pad"),
            image_features,
            channels=(arguments.num_channels[0], *arguments.mask_branch),
            block=block,
            conv=self._conv,
            up=self._up,
            strides=(self._multiple(2), *self._scales[1:]),
        )

    def _join_features(self, features, image_features, like):
        """Logits of a mask branch from its features and the finest of the image."""
        channels = self._arguments.num_channels[0]
        features = self._up(features, channels, 0, "mask_up_0")
        features = add("mask_and_image_0", features, image_features)
        features = keras.ops.leaky_relu(features, negative_slope=0.01)
        features = self._conv(channels, self._kernels[0], name="mask_head")(features)
        return self._head(features, like)

    def _with_logits(self, finest, features, image):
        """Replaces the finest of the image's features by logits, for `_add_logits`.

        The mask branch sees the finest at the next resolution.
        """
        scale, channels = self._scales[0], self._arguments.mask_branch[0]
        below = self._conv(channels, scale, scale, name="to_mask_0")(finest)
        below = add("to_mask_0_and_1", features[1], below)
        return [self._head(finest, image), below, *features[2:]]

    def _add_logits(self, features, image_logits, like):
        """Logits of a mask branch: those of the image, corrected by its features."""
        # At first the mask changes nothing.
        starts = {"use_bias": False, "kernel_initializer": "zeros"}
        logits = self._head(features, like, self._multiple(2), "mask_", **starts)
        return add("mask_and_image_0", image_logits, logits)

    def _deep_logits(self, levels):
        """Logits of coarser resolutions, each of the shape of its features."""
        arguments = self._arguments
        return [
            keras.layers.Conv3D(
                arguments.out_channels, 1, dtype="float32", name=f"deep_{level}_head"
            )(levels[level])
            for level in range(1, arguments.deep_supervision + 1)
        ]

    def _head(self, features, like, patch_size=None, prefix="", **options):
        """Logits from features, of the shape of the volume `like`.

        Args:
            features: [batch, x, y, z, channels].
            like: volume of the shape that logits get.
            patch_size: voxels per axis for each feature; by default as at the finest
                resolution.
            prefix: of the layers' names.
            **options: of the layer that makes logits.
        """
        arguments = self._arguments
        norm = build_norm(
            arguments.norm, self._axes, dtype=self._dtype, name=f"{prefix}head_norm"
        )
        features = keras.ops.leaky_relu(norm(features), negative_slope=0.01)
        patch_size = patch_size or arguments.patch_size
        # Softmax and diffusion need logits in float32.
        logits = keras.layers.Conv3DTranspose(
            arguments.out_channels,
            patch_size,
            patch_size,
            dtype="float32",
            name=f"{prefix}head",
            **options,
        )(features)
        return CropLike(dtype="float32", name=f"{prefix}crop")(logits, like)


def _mixed_axes(arguments):
    """Axes of [batch, x, y, z, channels] along which the network mixes voxels.

    An axis that is mixed at any resolution counts at all of them, for norms too: a
    network whose voxels see one another at the coarsest resolution does not keep slices
    apart, and statistics of a whole volume keep what the brightness of a slice says.
    """
    sizes = [arguments.patch_size, *rows_of(arguments.kernel_size, 1)]
    if len(arguments.num_channels) > 1:
        sizes += rows_of(arguments.scale_factor, 1)
    of_axes = enumerate(zip(*sizes, strict=True), 1)
    return tuple(axis for axis, of_axis in of_axes if max(of_axis) > 1)
