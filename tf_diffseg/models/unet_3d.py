"""The 3D U-Net."""

import functools
import inspect

import keras

from tf_diffseg.models.choices import SKIPS
from tf_diffseg.models.fit_shape import CropLike, PadToMultiple
from tf_diffseg.models.mask_branch import Branches, join_mask, project_levels
from tf_diffseg.models.norms import build_norm
from tf_diffseg.models.residual_block import ResidualBlock3D
from tf_diffseg.models.self_attention import SelfAttention3D
from tf_diffseg.models.time_embedding import TimeEmbedding
from tf_diffseg.models.trainable_state import set_trainable_state, trainable_state


@keras.saving.register_keras_serializable(package="tf_diffseg")
class UNet3D(keras.Model):
    """U-Net (Ronneberger et al. 2015) of residual blocks, conditioned on a time.

    Takes a dict of `image` [batch, x, y, z, image_channels] and, unless `mask_channels`
    is 0, `x_t` [batch, x, y, z, mask_channels], the noisy mask, and `t` [batch], the
    time in (0, 1]. Returns logits [batch, x, y, z, out_channels] in float32. x, y and z
    may have any size: the network pads sizes that `shape_multiple` does not divide, and
    crops the logits.

    With `mask_branch`, the image has its own U-Net, and a light branch for the noisy
    mask and the time uses its features: `encode` runs the U-Net once, `denoise` runs
    the branch for each mask. The plain call runs both.

    With `kernel_size=(3, 3, 1)` and `scale_factor=(2, 2, 1)`, slices along z do not see
    one another: the network is a 2D network on every slice of a volume.

    Args:
        out_channels: channels of the logits.
        image_channels: channels of the image.
        mask_channels: channels of the noisy mask; 0 makes a network without noisy mask
            and time, the baseline without diffusion.
        num_channels: channels at each resolution, finest first.
        num_blocks: residual blocks at each resolution, finest first, on the way down
            and again on the way up, but only once at the coarsest. The default is one
            at the finest, where a block costs most, and two at the others.
        kernel_size: of the convolutions, per axis.
        patch_size: voxels per axis for each feature at the finest resolution.
        scale_factor: between one resolution and the next, per axis.
        num_heads: heads of the attention after the first block at the coarsest
            resolution; 0 for no attention.
        skip: "add" or "concat", how the way up takes in the features of the way down.
        dropout: share of features dropped inside a residual block.
        remat: whether training computes the inside of blocks and attention again for
            the gradient instead of keeping it: less memory, one more forward pass.
        norm: "instance", over the volume, which learns fastest, or "channel", over the
            channels of each voxel, so that features do not depend on how much of the
            volume the network sees.
        mask_branch: channels of the branch for noisy mask and time at each resolution
            from the second finest on, such as (16, 32); None for one network of image
            and mask.
        **kwargs: name and dtype, as for every Keras model.

    Raises:
        ValueError: if an argument is out of its range; the message names it.

    Example:
        >>> network = UNet3D(out_channels=2, num_channels=(4, 8), num_heads=1)
        >>> network({"image": np.zeros([1, 8, 8, 8, 1], np.float32)}).shape
        TensorShape([1, 8, 8, 8, 2])
    """

    def __init__(
        self,
        out_channels,
        image_channels=1,
        mask_channels=0,
        num_channels=(16, 32, 64, 128),
        num_blocks=None,
        kernel_size=(3, 3, 3),
        patch_size=(1, 1, 1),
        scale_factor=(2, 2, 2),
        num_heads=4,
        skip="add",
        dropout=0.0,
        remat=False,
        norm="instance",
        mask_branch=None,
        **kwargs,
    ):
        kernel_size = _per_axis("kernel_size", kernel_size)
        patch_size = _per_axis("patch_size", patch_size)
        scale_factor = _per_axis("scale_factor", scale_factor)
        num_channels = tuple(num_channels)
        if num_blocks is None:
            num_blocks = (1, *(2 for _ in num_channels[1:]))
        num_blocks = tuple(num_blocks)
        if skip not in SKIPS:
            raise ValueError(f"skip must be one of {list(SKIPS)}, got {skip!r}")
        _at_least("out_channels", out_channels, 1)
        _at_least("image_channels", image_channels, 1)
        _at_least("mask_channels", mask_channels, 0)
        _at_least("num_heads", num_heads, 0)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        if not num_channels or min(num_channels) < 1:
            raise ValueError(f"num_channels must be positive, got {num_channels}")
        if len(num_blocks) != len(num_channels) or min(num_blocks) < 1:
            raise ValueError(
                f"num_blocks must be {len(num_channels)} positive integers, one for "
                f"each of num_channels, got {num_blocks}"
            )
        mask_branch = _checked_mask_branch(mask_branch, mask_channels, num_channels)

        dtype = kwargs.pop("dtype", None)
        axes = _mixed_axes(kernel_size, patch_size, scale_factor)
        inputs = _inputs(image_channels, mask_channels)
        features = inputs["image"]
        time_embedding = None
        if mask_channels:
            time_embedding = TimeEmbedding(
                4 * num_channels[0], dtype=dtype, name="time_embedding"
            )(inputs["t"])
        if mask_channels and not mask_branch:
            features = keras.layers.Concatenate(dtype=dtype, name="image_and_mask")(
                [inputs["image"], inputs["x_t"]]
            )

        def block(features, channels, name, time_embedding=None):
            layer = ResidualBlock3D(
                channels,
                kernel_size,
                axes,
                dropout,
                remat,
                norm,
                dtype=dtype,
                name=name,
            )
            return layer(features, time_embedding)

        # No biases, because the norms shift.
        unbiased = {"padding": "same", "use_bias": False, "dtype": dtype}
        conv = functools.partial(keras.layers.Conv3D, **unbiased)
        timed_block = functools.partial(block, time_embedding=time_embedding)
        image_block = block if mask_branch else timed_block
        up = functools.partial(
            keras.layers.Conv3DTranspose,
            kernel_size=scale_factor,
            strides=scale_factor,
            **unbiased,
        )
        merge_layer = keras.layers.Add if skip == "add" else keras.layers.Concatenate
        merge = functools.partial(merge_layer, dtype=dtype)

        multiple = _shape_multiple(patch_size, scale_factor, len(num_channels))
        features = PadToMultiple(multiple, dtype=dtype, name="pad")(features)
        stem_kernel = tuple(map(max, kernel_size, patch_size))
        features = conv(num_channels[0], stem_kernel, patch_size, name="stem")(features)

        down = functools.partial(conv, kernel_size=kernel_size, strides=scale_factor)
        features, skips = _encode(features, num_channels, num_blocks, image_block, down)

        for index in range(num_blocks[-1]):
            features = image_block(features, num_channels[-1], f"bottom_{index}")
            if num_heads and index == 0:
                features = SelfAttention3D(
                    num_heads, axes, remat, norm, dtype=dtype, name="bottom_attention"
                )(features)

        levels = _decode(
            features, skips, num_channels, num_blocks, image_block, merge, up
        )
        features = levels[0]
        if mask_branch:
            image_features = project_levels(levels, mask_branch, conv)
            mask = PadToMultiple(multiple, dtype=dtype, name="mask_pad")(inputs["x_t"])
            features = join_mask(
                mask,
                image_features,
                channels=(num_channels[0], *mask_branch),
                block=timed_block,
                conv=conv,
                up=up,
                kernel_size=kernel_size,
                strides=(_shape_multiple(patch_size, scale_factor, 2), scale_factor),
            )

        head_norm = build_norm(norm, axes, dtype=dtype, name="head_norm")
        features = keras.ops.leaky_relu(head_norm(features), negative_slope=0.01)
        # Softmax and diffusion need logits in float32.
        logits = keras.layers.Conv3DTranspose(
            out_channels, patch_size, patch_size, dtype="float32", name="head"
        )(features)
        unpadded = inputs["x_t" if mask_branch else "image"]
        logits = CropLike(dtype="float32", name="crop")(logits, unpadded)
        super().__init__(inputs=inputs, outputs=logits, **kwargs)
        # A functional model takes no dtype. Without this, the global policy would be
        # saved and would scale the loss.
        if dtype is not None:
            self.dtype_policy = dtype

        self.out_channels = out_channels
        self.image_channels = image_channels
        self.mask_channels = mask_channels
        self.num_channels = num_channels
        self.num_blocks = num_blocks
        self.kernel_size = kernel_size
        self.patch_size = patch_size
        self.scale_factor = scale_factor
        self.num_heads = num_heads
        self.skip = skip
        self.dropout = dropout
        self.remat = remat
        self.norm = norm
        self.mask_branch = mask_branch
        if mask_branch:
            self._branches = Branches(inputs, image_features, logits, dtype)

    def call(self, inputs, training=None, mask=None):
        """Logits of `inputs`, which the class describes."""
        channels = {"image": self.image_channels, "x_t": self.mask_channels}
        inputs = {
            name: _with_channels(value, channels[name]) if name in channels else value
            for name, value in inputs.items()
        }
        return super().call(inputs, training=training, mask=mask)

    def encode(self, image, training=None):
        """Features of an image, which `denoise` takes for all its noisy masks.

        Args:
            image: [batch, x, y, z, image_channels].
            training: whether to drop features.

        Returns:
            List of features; the image itself if the network has no mask branch.
        """
        if not self.mask_branch:
            return image
        image = _with_channels(image, self.image_channels)
        return self._branches.image_model(image, training=training)

    def denoise(self, features, x_t, t, training=None):
        """Logits of a noisy mask.

        Args:
            features: result of `encode`.
            x_t: [batch, x, y, z, mask_channels].
            t: [batch].
            training: whether to drop features.

        Returns:
            float32 [batch, x, y, z, out_channels].
        """
        if not self.mask_branch:
            inputs = {"image": features, "x_t": x_t, "t": t}
            return self(inputs, training=training)
        x_t = _with_channels(keras.ops.convert_to_tensor(x_t), self.mask_channels)
        mask_inputs = [*features, x_t, keras.ops.convert_to_tensor(t)]
        return self._branches.mask_model(mask_inputs, training=training)

    @property
    def shape_multiple(self):
        """Sizes per axis that divide the shape of volumes which need no padding."""
        return _shape_multiple(
            self.patch_size, self.scale_factor, len(self.num_channels)
        )

    def get_config(self):
        """Constructor arguments, and which layers are frozen, if any is."""
        state = trainable_state(self)
        parameters = inspect.signature(UNet3D.__init__).parameters
        arguments = [name for name in parameters if name not in ("self", "kwargs")]
        return {
            **({"trainable_state": state} if state else {}),
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **{name: getattr(self, name) for name in arguments},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the network from its `get_config`, with the same frozen layers."""
        config = dict(config)
        state = config.pop("trainable_state", {})
        network = cls(**config)
        # The constructor of Keras does not pass it on to the layers.
        network.trainable = config.get("trainable", True)
        set_trainable_state(network, state)
        return network


def _checked_mask_branch(mask_branch, mask_channels, num_channels):
    """Returns the channels as a tuple, or None."""
    if not mask_branch:
        return None
    mask_branch = tuple(mask_branch)
    most = len(num_channels) - 1
    if len(mask_branch) > most or min(mask_branch) < 1:
        raise ValueError(
            f"mask_branch must be up to {most} positive integers, one for each "
            f"resolution but the finest of num_channels, got {mask_branch}"
        )
    if not mask_channels:
        raise ValueError("mask_branch needs mask_channels: there is no noisy mask")
    return mask_branch


def _at_least(name, number, least):
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")


def _per_axis(name, sizes):
    sizes = tuple(sizes)
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"{name} must be three positive integers, got {sizes}")
    return sizes


def _mixed_axes(kernel_size, patch_size, scale_factor):
    """Axes of [batch, x, y, z, channels] along which the network mixes voxels."""
    sizes = zip(kernel_size, patch_size, scale_factor, strict=True)
    return tuple(axis for axis, size in enumerate(sizes, 1) if max(size) > 1)


def _shape_multiple(patch_size, scale_factor, num_levels):
    return tuple(
        patch * scale ** (num_levels - 1)
        for patch, scale in zip(patch_size, scale_factor, strict=True)
    )


def _inputs(image_channels, mask_channels):
    volume = (None, None, None)
    inputs = {"image": keras.Input((*volume, image_channels), name="image")}
    if mask_channels:
        inputs["x_t"] = keras.Input((*volume, mask_channels), name="x_t")
        inputs["t"] = keras.Input((), name="t")
    return inputs


def _with_channels(volume, channels):
    """Sets the number of channels of a volume if its shape does not have it.

    Keras takes a convolution of unknown channels for a grouped one and lets XLA compile
    it, which on a CPU may take longer than the rest of the network.
    """
    if volume.shape[-1] is not None:
        return volume
    return keras.ops.reshape(volume, (*keras.ops.shape(volume)[:-1], channels))


def _encode(features, num_channels, num_blocks, block, down):
    """Way down; returns the coarsest features and a list of those of finer levels."""
    skips = []
    for level, channels in enumerate(num_channels[:-1]):
        for index in range(num_blocks[level]):
            features = block(features, channels, f"encoder_{level}_{index}")
        skips.append(features)
        features = down(num_channels[level + 1], name=f"down_{level}")(features)
    return features, skips


def _decode(features, skips, num_channels, num_blocks, block, merge, up):
    """Way up, which merges `skips`; returns features of each level, finest first."""
    levels = [features]
    for level in reversed(range(len(skips))):
        channels = num_channels[level]
        features = up(channels, name=f"up_{level}")(features)
        features = merge(name=f"skip_{level}")([features, skips[level]])
        for index in range(num_blocks[level]):
            features = block(features, channels, f"decoder_{level}_{index}")
        levels.insert(0, features)
    return levels
