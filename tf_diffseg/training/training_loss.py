"""The loss that training minimizes."""

import functools
import math
import numbers

import keras
import tensorflow as tf

from tf_diffseg.fields import check_options
from tf_diffseg.losses import LOSSES
from tf_diffseg.losses.voxels import only_labelled
from tf_diffseg.text import named_options
from tf_diffseg.training import diffusion_losses
from tf_diffseg.training.batches.ignored_voxels import split_ignored


@keras.saving.register_keras_serializable(package="tf_diffseg")
class TrainingLoss:
    """Weighted sum of losses, each per example.

    The losses of logits are `dice_loss`, `cross_entropy` and `focal_loss`; that of
    predicted noise is `noise_error`, the mean squared error (Ho et al. 2020, equation
    14). Diffusion models may add `variational_bound`, in bits per dimension.

    Args:
        dice_weight: weight of the Dice loss, over the classes that an example has.
        cross_entropy_weight: weight of the cross-entropy, in nats.
        focal_weight: weight of the focal loss.
        focal_gamma: exponent of the focal loss.
        noise_weight: weight of the error of predicted noise.
        variational_weight: weight of the variational bound.
        more_losses: further losses of logits, by names of `tf_diffseg.losses.LOSSES`
            with their weights, by default 1, and options: ["tversky:weight=0.5"]; or
            one text of them with spaces between.

    Raises:
        ValueError: a weight or `focal_gamma` is negative or not finite, there is no
            such loss, or it does not take its options.

    Example:
        >>> loss = TrainingLoss(cross_entropy_weight=0.0, focal_weight=0.5)
        >>> model = SegmentationUNet3D(2, loss=loss, num_channels=(4,), num_heads=0)
    """

    def __init__(
        self,
        dice_weight=1.0,
        cross_entropy_weight=1.0,
        focal_weight=0.0,
        focal_gamma=2.0,
        noise_weight=1.0,
        variational_weight=0.0,
        more_losses=(),
    ):
        self.dice_weight = dice_weight
        self.cross_entropy_weight = cross_entropy_weight
        self.focal_weight = focal_weight
        self.focal_gamma = focal_gamma
        self.noise_weight = noise_weight
        self.variational_weight = variational_weight
        if isinstance(more_losses, str):
            more_losses = more_losses.split()
        self.more_losses = tuple(more_losses)
        for name, number in self.get_config().items():
            if name != "more_losses":
                _check_number(name, number)
        self._more = self._checked_more()

    def _checked_more(self):
        """Dict from name to (weight, loss) of `more_losses`."""
        own = {
            "dice_loss": self.dice_weight,
            "cross_entropy": self.cross_entropy_weight,
            "focal_loss": self.focal_weight,
        }
        more = {}
        for name, weighted in map(_weighted_loss, self.more_losses):
            if name in more or own.get(name):
                raise ValueError(f"more_losses: {name} has a weight already")
            more[name] = weighted
        return more

    @classmethod
    def get(cls, identifier):
        """A `TrainingLoss` from itself, from a config of it, or from None."""
        if identifier is None:
            return cls()
        if isinstance(identifier, dict) and "class_name" not in identifier:
            check_options("loss", identifier, cls)
            return cls(**identifier)
        if isinstance(identifier, dict):
            identifier = keras.saving.deserialize_keras_object(identifier)
        if not isinstance(identifier, cls):
            raise ValueError(f"loss must be a TrainingLoss or None, got {identifier!r}")
        return identifier

    def of_segmentation(self, encoding, has_ignored=False):
        """The `WeightedLosses` of a network without diffusion.

        Args:
            encoding: a `MaskEncoding`.
            has_ignored: whether masks may be of `mark_ignored`, whose unknown voxels
                are in no loss.

        Raises:
            ValueError: all weights are 0, or the bound, which needs diffusion, has a
                weight.
        """
        if self.variational_weight:
            raise ValueError("variational_weight must be 0 where nothing is diffused")
        return self.of_one_pass(encoding, has_ignored)

    def of_one_pass(self, encoding, has_ignored=False):
        """As `of_segmentation`, but the losses of diffusion may have weights too."""
        return WeightedLosses(self.of_logits(encoding), has_ignored)

    def of_diffusion(self, diffusion, encoding, has_ignored=False):
        """The `WeightedLosses` of a diffusion model; they also take x_t and t_index.

        Args:
            diffusion: a `GaussianDiffusion`.
            encoding: as for `of_segmentation`.
            has_ignored: as for `of_segmentation`.

        Raises:
            ValueError: all weights that apply are 0, the variance is learned and the
                bound has no weight, or noise is predicted and there are more losses.
        """
        if diffusion.model_variance.is_learned and not self.variational_weight:
            raise ValueError(
                f"model_variance={diffusion.model_variance.value} needs "
                "variational_weight above 0: nothing else trains the variance"
            )
        losses = diffusion_losses.DiffusionLosses(diffusion, encoding)
        if losses.predicts_noise:
            if self.more_losses:
                raise ValueError(
                    f"more_losses={' '.join(self.more_losses)} needs a network that "
                    "predicts x_start; one with model_output=noise has no logits"
                )
            terms = {"noise_error": (self.noise_weight, losses.noise_error)}
        else:
            terms = {
                name: (weight, functools.partial(losses.of_logits, loss))
                for name, (weight, loss) in self.of_logits(encoding).items()
            }
        bound = {
            "variational_bound": (self.variational_weight, losses.variational_bound)
        }
        return WeightedLosses(terms, has_ignored, bound)

    def of_logits(self, encoding):
        """Dict from name to (weight, function (mask, is_labelled, logits))."""
        focal = functools.partial(LOSSES["focal_loss"], gamma=self.focal_gamma)
        losses = {
            "dice_loss": (self.dice_weight, LOSSES["dice_loss"]),
            "cross_entropy": (self.cross_entropy_weight, LOSSES["cross_entropy"]),
            "focal_loss": (self.focal_weight, focal),
            **self._more,
        }

        def of_encoding(loss):
            return lambda mask, is_labelled, logits: loss(
                mask, logits, exclusive=encoding.is_exclusive, is_labelled=is_labelled
            )

        return {
            name: (weight, of_encoding(loss)) for name, (weight, loss) in losses.items()
        }

    def get_config(self):
        """Constructor arguments."""
        return {
            "dice_weight": self.dice_weight,
            "cross_entropy_weight": self.cross_entropy_weight,
            "focal_weight": self.focal_weight,
            "focal_gamma": self.focal_gamma,
            "noise_weight": self.noise_weight,
            "variational_weight": self.variational_weight,
            **({"more_losses": self.more_losses} if self.more_losses else {}),
        }

    @classmethod
    def from_config(cls, config):
        """Rebuilds the loss from its `get_config`."""
        return cls(**config)


# How each loss is called, whatever its options are.
_CALLED_WITH = ("mask", "logits", "exclusive", "is_labelled")


def _weighted_loss(identifier):
    """(name, (weight, loss)) from a text such as "name:weight=0.5,option=1.5"."""
    if not isinstance(identifier, str):
        raise ValueError(f"more_losses must be texts, got {identifier!r}")
    name, options = named_options(identifier)
    if name not in LOSSES:
        raise ValueError(
            f"more_losses must be of {', '.join(LOSSES)}, got {identifier!r}"
        )
    loss = LOSSES[name]
    check_options(
        f"more_losses={name}", options, loss, but=_CALLED_WITH, more={"weight": 1.0}
    )
    weight = options.pop("weight", 1.0)
    _check_number(f"the weight of {name} in more_losses", weight)
    loss = functools.partial(loss, **options)
    _try(identifier, loss)
    return name, (weight, loss)


def _try(identifier, loss):
    """Raises ValueError if a loss refuses its options."""
    with tf.Graph().as_default():  # Computes nothing and starts no device.
        mask = tf.zeros([1, 4, 4, 4, 2])
        try:
            loss(mask, mask, exclusive=True, is_labelled=None)
        except Exception as error:
            raise ValueError(f"more_losses={identifier}: {error}") from error


def _check_number(name, number):
    is_number = isinstance(number, numbers.Real)
    if not (is_number and math.isfinite(number) and number >= 0.0):
        raise ValueError(f"{name} must be a finite number, 0 or more, got {number}")


class WeightedLosses:
    """Losses whose weight is not 0, and their weighted sum.

    Args:
        terms: dict from name to (weight, function (mask, is_labelled, network_out,
            *context) to losses [batch]).
        has_ignored: whether masks may be of `mark_ignored`.
        more_terms: as `terms`, but losses that cannot be the only ones.

    Attributes:
        names: names of the losses; the first is `loss`, the sum.

    Raises:
        ValueError: the weights of `terms` are all 0.
    """

    def __init__(self, terms, has_ignored=False, more_terms=None):
        if not any(weight for weight, _ in terms.values()):
            raise ValueError(f"the weights of {', '.join(terms)} are all 0")
        terms = terms | (more_terms or {})
        self._terms = {name: term for name, term in terms.items() if term[0]}
        self._has_ignored = has_ignored
        self.names = ["loss", *self._terms]

    def __call__(self, mask, network_out, *context):
        """Losses of a batch.

        Args:
            mask: ground truth in [0, 1], [batch, x, y, z, num_classes].
            network_out: output of the network, [batch, x, y, z, channels].
            *context: for diffusion models, the noisy mask x_t and t_index [batch].

        Returns:
            Dict from `names` to float32 [batch]; 0 for an example without a known
            voxel.
        """
        truth = (mask, None)
        if self._has_ignored:
            truth = split_ignored(mask)
            # Infinite outputs at ignored voxels would make the gradient NaN.
            network_out = only_labelled(network_out, truth[1])
        losses = {
            name: loss(*truth, network_out, *context)
            for name, (_, loss) in self._terms.items()
        }
        total = sum(self._terms[name][0] * loss for name, loss in losses.items())
        return {"loss": total, **losses}
