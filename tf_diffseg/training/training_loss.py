"""What the network is trained to make small."""

import math

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import MaskEncoding, mask_to_x_start
from tf_diffseg.diffusion.model_parameterization import ModelOutput
from tf_diffseg.losses.class_mean import mean_over_present_classes
from tf_diffseg.losses.cross_entropy import cross_entropy_loss
from tf_diffseg.losses.dice import dice_loss_from_logits
from tf_diffseg.losses.focal import focal_loss
from tf_diffseg.losses.voxels import mean_over_voxels, only_labelled
from tf_diffseg.training.ignored_voxels import split_ignored
from tf_diffseg.training.network_output import (
    network_out_to_model_out,
    split_variance,
)


class TrainingLoss:
    """Weighted sum of losses, each per example.

    A network that predicts x_start is trained with `dice_loss`, `cross_entropy` and
    `focal_loss` on its logits; one that predicts the noise with `noise_error`, the
    mean squared error (Ho et al. 2020, equation 14). Either may add
    `variational_bound`, in bits per dimension.

    Attributes:
        names: of the losses whose weight is not 0, with `loss`, the sum, first.
    """

    def __init__(
        self,
        diffusion=None,
        encoding=MaskEncoding.EXCLUSIVE,
        dice_weight=1.0,
        cross_entropy_weight=1.0,
        focal_weight=0.0,
        focal_gamma=2.0,
        noise_weight=1.0,
        variational_weight=0.0,
        has_ignored=False,
    ):
        """Chooses the losses.

        Args:
            diffusion: a `GaussianDiffusion`, or None for the supervised baseline.
            encoding: a `MaskEncoding`.
            dice_weight: of the Dice loss, over the classes that an example has.
            cross_entropy_weight: of the cross-entropy, in nats.
            focal_weight: of the focal loss.
            focal_gamma: the focal loss's exponent.
            noise_weight: of the error of predicted noise.
            variational_weight: of the variational bound.
            has_ignored: whether masks may be of `mark_ignored`: the voxels that are
                unknown in them are left out of all.

        Raises:
            ValueError: a weight is negative or not finite, all that apply are 0, the
                bound has no diffusion, or a learned variance has no bound to learn
                from.
        """
        self._diffusion = diffusion
        self._encoding = MaskEncoding(encoding)
        self._focal_gamma = focal_gamma
        self._has_ignored = has_ignored
        weights = {
            "dice_weight": dice_weight,
            "cross_entropy_weight": cross_entropy_weight,
            "focal_weight": focal_weight,
            "noise_weight": noise_weight,
            "variational_weight": variational_weight,
        }
        for name, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0.0):
                raise ValueError(
                    f"{name} must be a finite number, 0 or more, got {weight}"
                )
        if diffusion is None and variational_weight:
            raise ValueError("variational_weight must be 0 where nothing is diffused")
        is_learned = diffusion is not None and diffusion.model_variance.is_learned
        if is_learned and not variational_weight:
            raise ValueError(
                f"model_variance={diffusion.model_variance.value} needs "
                "variational_weight above 0: nothing else trains the variance"
            )
        if diffusion is not None and diffusion.model_output is ModelOutput.NOISE:
            terms = {"noise_error": noise_weight}
        else:
            terms = {
                "dice_loss": dice_weight,
                "cross_entropy": cross_entropy_weight,
                "focal_loss": focal_weight,
            }
        if not any(terms.values()):
            raise ValueError(f"the weights of {', '.join(terms)} are all 0")
        terms["variational_bound"] = variational_weight
        self._weights = {name: weight for name, weight in terms.items() if weight}
        self.names = ["loss", *self._weights]

    def __call__(self, mask, network_out, x_t, t_index):
        """Losses of a batch.

        Args:
            mask: ground truth in [0, 1], [batch, x, y, z, num_classes].
            network_out: of the network, [batch, x, y, z, channels].
            x_t: noisy mask that it was given; None for the supervised baseline.
            t_index: int [batch], its steps; None likewise.

        Returns:
            Dict from `names` to float32 [batch]; 0 for an example of which no voxel
            is known.
        """
        truth = (mask, None)
        if self._has_ignored:
            truth = split_ignored(mask)
            # What is infinite there would make the gradient NaN, though it has no part.
            network_out = only_labelled(network_out, truth[1])
        losses = {
            name: getattr(self, f"_{name}")(*truth, network_out, x_t, t_index)
            for name in self._weights
        }
        total = sum(self._weights[name] * loss for name, loss in losses.items())
        return {"loss": total, **losses}

    def _logits(self, network_out):
        return split_variance(network_out, self._diffusion)[0]

    @property
    def _exclusive(self):
        return self._encoding is MaskEncoding.EXCLUSIVE

    def _dice_loss(self, mask, is_labelled, network_out, x_t, t_index):
        logits = self._logits(network_out)
        per_class = dice_loss_from_logits(mask, logits, self._exclusive, is_labelled)
        return mean_over_present_classes(per_class, mask)

    def _cross_entropy(self, mask, is_labelled, network_out, x_t, t_index):
        logits = self._logits(network_out)
        return cross_entropy_loss(mask, logits, self._exclusive, is_labelled)

    def _focal_loss(self, mask, is_labelled, network_out, x_t, t_index):
        logits = self._logits(network_out)
        return focal_loss(mask, logits, self._focal_gamma, self._exclusive, is_labelled)

    def _noise_error(self, mask, is_labelled, network_out, x_t, t_index):
        predicted, _ = split_variance(network_out, self._diffusion)
        noise = self._diffusion.predict_noise_from_x_start(
            x_t, mask_to_x_start(mask), t_index
        )
        error = tf.square(noise - tf.cast(predicted, noise.dtype))
        return mean_over_voxels(error, is_labelled)

    def _variational_bound(self, mask, is_labelled, network_out, x_t, t_index):
        mean, variance = split_variance(network_out, self._diffusion)
        if variance is not None:
            # Trains the variance alone: on the mean the bound is a noisy loss
            # (Nichol and Dhariwal 2021, section 3.1).
            network_out = tf.concat([tf.stop_gradient(mean), variance], axis=-1)
        model_out = network_out_to_model_out(
            network_out, self._diffusion, self._encoding
        )
        terms = self._diffusion.variational_terms(
            model_out, mask_to_x_start(mask), x_t, t_index
        )
        return mean_over_voxels(terms, is_labelled) / math.log(2.0)
