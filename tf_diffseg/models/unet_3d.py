"""The 3D U-Net."""

import dataclasses

import keras

from tf_diffseg.models.mask_branch import Branches
from tf_diffseg.models.trainable_state import set_trainable_state, trainable_state
from tf_diffseg.models.unet_arguments import UNetArguments, shape_multiple
from tf_diffseg.models.unet_graph import UNetGraph


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
    one another: the network is a 2D network on every slice of a volume. For voxels that
    are long along z, finer resolutions may keep slices apart until their voxels are
    about as long as wide, such as `kernel_size=((3, 3, 1), (3, 3, 1), (3, 3, 3))` with
    `scale_factor=((2, 2, 1), (2, 2, 2))` for three resolutions.

    Args:
        out_channels: channels of the logits.
        image_channels: channels of the image.
        mask_channels: channels of the noisy mask; 0 makes a network without noisy mask
            and time, the baseline without diffusion.
        num_channels: channels at each resolution, finest first.
        num_blocks: residual blocks at each resolution, finest first, on the way down
            and again on the way up, but only once at the coarsest. The default is one
            at the finest, where a block costs most, and two at the others.
        kernel_size: of the convolutions, per axis: three integers, or three for each
            resolution, finest first. The convolution from one resolution to the next
            has the kernel of the coarser one; along an axis where its kernel is smaller
            than the scale factor, it skips voxels.
        patch_size: voxels per axis for each feature at the finest resolution.
        scale_factor: from one resolution to the next, per axis: three integers, or
            three for each such step, from the finest resolution on.
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
        mask_output: what a mask branch gives at the finest resolution: "features",
            which a convolution joins with those of the image, or "logits", which are
            added to logits of the image, so that a step does little there.
        deep_supervision: number of resolutions, from the second finest on, whose
            features of the image give logits of their own in training (Lee et al.
            2015, arXiv 1409.5185); see `with_deep_logits`.
        **kwargs: name and dtype, as for every Keras model.

    Raises:
        InputError: an argument is out of its range; the message names it.

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
        mask_output="features",
        deep_supervision=0,
        **kwargs,
    ):
        arguments = UNetArguments(
            out_channels=out_channels,
            image_channels=image_channels,
            mask_channels=mask_channels,
            num_channels=num_channels,
            num_blocks=num_blocks,
            kernel_size=kernel_size,
            patch_size=patch_size,
            scale_factor=scale_factor,
            num_heads=num_heads,
            skip=skip,
            dropout=dropout,
            remat=remat,
            norm=norm,
            mask_branch=mask_branch,
            mask_output=mask_output,
            deep_supervision=deep_supervision,
        )
        dtype = kwargs.pop("dtype", None)
        for name in set(kwargs) - {"name", "trainable"}:  # Keras would ignore them.
            raise TypeError(f"{type(self).__name__} has no argument {name!r}")
        inputs, features, logits, deep_logits = UNetGraph(arguments, dtype).build()
        # Only what is an output has its weights trained and saved.
        outputs = [logits, *deep_logits] if deep_logits else logits
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # A functional model takes no dtype. Without this, the global policy would be
        # saved and would scale the loss.
        if dtype is not None:
            self.dtype_policy = dtype
        for field in dataclasses.fields(arguments):
            setattr(self, field.name, getattr(arguments, field.name))
        if self.mask_branch:
            self._branches = Branches(inputs, features, logits, deep_logits, dtype)

    def call(self, inputs, training=None, mask=None):
        """Logits of `inputs`, which the class describes."""
        outputs = self._all_outputs(inputs, training, mask)
        return outputs[0] if self.deep_supervision else outputs

    def compute_output_spec(self, *args, **kwargs):
        """That of `call`."""
        outputs = super().compute_output_spec(*args, **kwargs)
        return outputs[0] if self.deep_supervision else outputs

    def _all_outputs(self, inputs, training, mask=None):
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

    def with_deep_logits(self, image, training=None):
        """What training needs of an image.

        Args:
            image: [batch, x, y, z, image_channels].
            training: whether to drop features.

        Returns:
            `(features, deep_logits)`: the result of `encode`, or the logits of a
            network without noisy mask; and a list of `deep_supervision` logits, float32
            [batch, x', y', z', out_channels], from the second finest resolution on, of
            which each voxel stands for `deep_factors` voxels of the padded image.
        """
        number = self.deep_supervision
        if self.mask_branch and number:
            image = _with_channels(image, self.image_channels)
            outputs = self._branches.deep_model(image, training=training)
            return outputs[:-number], outputs[-number:]
        if self.mask_channels:
            return self.encode(image, training=training), []
        outputs = self._all_outputs({"image": image}, training)
        return (outputs[0], outputs[1:]) if number else (outputs, [])

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
        return shape_multiple(
            self.patch_size, self.scale_factor, len(self.num_channels)
        )

    @property
    def deep_factors(self):
        """Voxels (x, y, z) of the image for each of those of `with_deep_logits`."""
        return [
            shape_multiple(self.patch_size, self.scale_factor, level + 1)
            for level in range(1, self.deep_supervision + 1)
        ]

    def get_config(self):
        """Constructor arguments, and which layers are frozen, if any is."""
        state = trainable_state(self)
        arguments = [field.name for field in dataclasses.fields(UNetArguments)]
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


def _with_channels(volume, channels):
    """Sets the number of channels of a volume if its shape does not have it.

    Keras takes a convolution of unknown channels for a grouped one and lets XLA compile
    it, which on a CPU may take longer than the rest of the network.
    """
    if volume.shape[-1] is not None:
        return volume
    return keras.ops.reshape(volume, (*keras.ops.shape(volume)[:-1], channels))
