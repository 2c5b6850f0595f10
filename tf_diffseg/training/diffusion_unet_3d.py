"""The diffusion model: a 3D U-Net that trains on noisy masks and samples."""

from typing import NamedTuple

import keras
import tensorflow as tf

from tf_diffseg.diffusion import (
    EarlyExitSampler,
    GaussianDiffusion,
    ModelOutput,
    TimestepSampler,
    TimestepSampling,
    initial_noise,
    mask_to_x_start,
    x_start_to_probabilities,
)
from tf_diffseg.diffusion.samplers import get_sampler, identifier_of
from tf_diffseg.fields import member
from tf_diffseg.metrics import GroupedMean, StreamingDiceByStep
from tf_diffseg.training.batches.ignored_voxels import known_x_start
from tf_diffseg.training.choices import TrainingStrategy
from tf_diffseg.training.distribution.replica_share import gather_from_replicas
from tf_diffseg.training.distribution.step_groups import StepGroups
from tf_diffseg.training.flat_arguments import (
    composed,
    composed_with_warning,
    is_supervised,
)
from tf_diffseg.training.network_output import network_out_to_model_out
from tf_diffseg.training.noisy_mask import FUNCTIONS, NoisyMask, make_noisy_mask
from tf_diffseg.training.segmentation_unet_3d import (
    SegmentationUNet3D,
    run_network,
    same_seeds,
)
from tf_diffseg.training.several_samples import each_sample
from tf_diffseg.training.step_draws import example_seeds

_OF_IMAGE = 0x5BD1E995


class DiffusionDraws(NamedTuple):
    """Random draws of a training step for each example of a replica.

    Attributes:
        dropout_seeds: int32 [batch].
        weights: float32 [batch], of the losses.
        t_index: int32 [batch], steps to train on.
        noise_seeds: int32 [batch].
    """

    dropout_seeds: tf.Tensor
    weights: tf.Tensor
    t_index: tf.Tensor
    noise_seeds: tf.Tensor


@keras.saving.register_keras_serializable(package="tf_diffseg")
class DiffusionUNet3D(SegmentationUNet3D):
    """Segments volumes by diffusion (arXiv 2303.06040).

    Trains, scores and predicts like `SegmentationUNet3D`, with a noisy mask and a time
    as further inputs. `fit` also reports the loss of each time step; a time step that
    an epoch did not draw has the mean of the others. `evaluate` samples, and also
    reports the Dice after each reverse step.

    Args:
        num_classes: classes, background included unless they overlap.
        image_channels: channels of the image.
        diffusion: a `GaussianDiffusion` or its `get_config`; by default of five steps.
        strategy: a `TrainingStrategy` or its value, which selects the noisy mask.
        loss: a `TrainingLoss`; by default Dice and cross-entropy.
        timestep_sampling: a `TimestepSampling` or its value, which selects the steps.
        sampler: sampler of `evaluate` and `predict`: a name of `SAMPLERS`, with options
            as in "ddim:eta=0.5", or a `Sampler`. `compile` may choose another.
        **kwargs: the other arguments of `SegmentationUNet3D`, and those of `UNet3D`
            except out_channels and mask_channels.

    Attributes:
        diffusion: the `GaussianDiffusion` of training.
        sampler: the `Sampler`; may be replaced, also by a name or by one with other
            steps. It is saved with the model, but not the early exit around it.

    Raises:
        ValueError: an argument is out of its range; the message names it.

    Example:
        >>> model = DiffusionUNet3D(num_classes=3, num_channels=(4, 8), num_heads=1)
        >>> model.compile("adamw", sampler="ddim:eta=0.5")
        >>> model.predict(np.zeros([1, 8, 8, 8, 1], np.float32), verbose=0).shape
        (1, 8, 8, 8, 3)
    """

    def __new__(cls, *args, **kwargs):
        """Makes a `SegmentationUNet3D` if an old call has strategy="supervised"."""
        if is_supervised(kwargs):
            return SegmentationUNet3D(*args, **composed_with_warning(kwargs))
        return super().__new__(cls, *args, **kwargs)

    def __init__(
        self,
        num_classes,
        image_channels=1,
        diffusion=None,
        strategy="recycling",
        loss=None,
        timestep_sampling="uniform",
        sampler="ddim",
        **kwargs,
    ):
        parts = {"diffusion": diffusion, "loss": loss, "sampler": sampler}
        kwargs = composed_with_warning(parts | kwargs)
        # The base class needs these when it builds losses and metrics.
        self.diffusion = GaussianDiffusion.get(kwargs.pop("diffusion"))
        if self.diffusion.is_respaced:
            raise ValueError(
                "diffusion must not be respaced: a network is trained with all of its "
                f'steps; to sample fewer, give sampler="ddim:num_timesteps='
                f'{self.diffusion.num_timesteps}"'
            )
        self.strategy = member("strategy", TrainingStrategy, strategy)
        if self.strategy not in FUNCTIONS:
            known = [strategy.value for strategy in FUNCTIONS]
            raise ValueError(
                f"strategy must be one of {', '.join(known)}, got {strategy!r}; "
                "SegmentationUNet3D is the supervised network"
            )
        _check_output(self.diffusion.model_output, self.strategy)
        self.timestep_sampler = TimestepSampler(
            self.diffusion.num_timesteps,
            member("timestep_sampling", TimestepSampling, timestep_sampling),
        )
        self.sampler = kwargs.pop("sampler")
        super().__init__(num_classes, image_channels, **kwargs)
        if self.timestep_sampler.sampling is TimestepSampling.LOSS:
            # As weights they are saved with the model and the same on all replicas.
            history, counts = self.timestep_sampler.initial_state()
            self._loss_history = self._add_state("loss_history", history)
            self._loss_counts = self._add_state("loss_counts", counts)

    def _channels(self, num_classes):
        is_learned = self.diffusion.model_variance.is_learned
        is_conditioned = self.strategy.is_self_conditioned
        return {
            "out_channels": num_classes * (2 if is_learned else 1),
            "mask_channels": num_classes * (2 if is_conditioned else 1),
        }

    @property
    def sampler(self):
        """The `Sampler` of `evaluate` and `predict`."""
        return self._sampler

    @sampler.setter
    def sampler(self, sampler):
        sampler = get_sampler(sampler, self.diffusion)
        _check_steps(sampler, self.diffusion)
        # An early exit counts steps and is a choice of the one who segments.
        exits_early = isinstance(sampler, EarlyExitSampler)
        self._saved_sampler = identifier_of(sampler.sampler if exits_early else sampler)
        self._sampler = sampler

    def _add_state(self, name, initial):
        return self.add_weight(
            name=name,
            shape=initial.shape,
            dtype=initial.dtype.name,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def _bound_loss(self, has_ignored):
        return self.training_loss.of_diffusion(
            self.diffusion, self.encoding, has_ignored
        )

    def _start_from_frequencies(self):
        # Predicted noise has no class frequencies.
        if self.model_output is ModelOutput.X_START:
            super()._start_from_frequencies()

    def _build_metrics(self):
        super()._build_metrics()
        self._step_groups = StepGroups(self.diffusion.num_timesteps)
        num_groups = self._step_groups.num_groups
        self._loss_by_step = GroupedMean(num_groups, name="loss_by_step")
        self._dice_by_step = StreamingDiceByStep(
            num_groups, self.num_classes, **self._kind_of_dice
        )

    def compile(self, optimizer="adamw", *args, sampler=None, **kwargs):
        """Prepares for training, as `SegmentationUNet3D.compile`.

        Args:
            optimizer: a Keras optimizer or its name.
            *args: as there.
            sampler: as for the constructor; None for the present one.
            **kwargs: as there.

        Raises:
            ValueError: as there, or there is no such sampler.
        """
        if sampler is not None:
            self.sampler = sampler
        super().compile(optimizer, *args, **kwargs)

    @property
    def model_output(self):
        """The `ModelOutput` of the diffusion."""
        return self.diffusion.model_output

    @property
    def num_steps(self):
        """Forward passes of `sample`, each with a prediction."""
        return self.sampler.diffusion.num_timesteps

    def _draw(self, seeds, share):
        all_steps, all_weights = self.timestep_sampler.sample(
            seeds.timesteps, share.total, self._timestep_probabilities()
        )
        return DiffusionDraws(
            example_seeds(seeds.dropout, share),
            share.of(all_weights),
            share.of(all_steps),
            example_seeds(seeds.noise, share),
        )

    def _timestep_probabilities(self):
        if self.timestep_sampler.sampling is TimestepSampling.UNIFORM:
            return self.timestep_sampler.probabilities()
        return self.timestep_sampler.probabilities(
            tf.convert_to_tensor(self._loss_history),
            tf.convert_to_tensor(self._loss_counts),
        )

    def _example_losses(self, image, mask, draws):
        seeds = draws.dropout_seeds
        # Each branch of the network counts its dropout layers from 0.
        features, deep_logits = run_network(
            self.with_deep_logits, image, dropout_seeds=seeds ^ _OF_IMAGE
        )
        noisy_mask = self._make_noisy_mask(features, mask, draws)
        t = self.diffusion.time(draws.t_index)
        network_out = self._denoise(features, noisy_mask, t, seeds)
        losses = self._weighted_losses(mask, network_out, noisy_mask.x_t, draws.t_index)
        return self._with_deep_losses(losses, mask, deep_logits)

    def _make_noisy_mask(self, features, mask, draws):
        """The `NoisyMask` of the strategy; no gradient flows through predictions."""

        def predict_x_start(x_t, t_index):
            t = self.diffusion.time(t_index)
            network_out = self._denoise(
                features, NoisyMask(x_t), t, draws.dropout_seeds
            )
            model_out = self._to_model_out(network_out)
            return self.diffusion.predict_x_start(model_out, x_t, t_index, clip=True)

        return make_noisy_mask(
            self.strategy,
            self.diffusion,
            predict_x_start,
            self._x_start(mask),
            draws.t_index,
            draws.noise_seeds,
        )

    def _x_start(self, mask):
        if self.ignore_label is None:
            return mask_to_x_start(mask)
        return known_x_start(mask, self.encoding)

    def _denoise(self, features, noisy_mask, t, dropout_seeds=None):
        """The network's output for a noisy mask."""
        x_t, condition = noisy_mask
        if self.strategy.is_self_conditioned:
            condition = tf.zeros_like(x_t) if condition is None else condition
            x_t = tf.concat([x_t, condition], axis=-1)
        return run_network(self.denoise, features, x_t, t, dropout_seeds=dropout_seeds)

    def _observe_losses(self, losses, draws, counted, share):
        super()._observe_losses(losses, draws, counted, share)
        # The image's features at coarser resolutions know no time step.
        finest = losses["finest"]
        self._remember_losses(finest, draws.t_index, counted, share)
        groups = self._step_groups.group(draws.t_index)
        if counted is not None:
            groups = tf.where(counted > 0.0, groups, -1)
        self._loss_by_step.update_state(finest, groups)

    def _remember_losses(self, losses, t_index, counted, share):
        """Updates the loss history, from which steps are drawn, on all replicas."""
        if self.timestep_sampler.sampling is TimestepSampling.UNIFORM:
            return
        history, counts = self.timestep_sampler.update(
            tf.convert_to_tensor(self._loss_history),
            tf.convert_to_tensor(self._loss_counts),
            gather_from_replicas(t_index, share),
            gather_from_replicas(losses, share),
            None if counted is None else gather_from_replicas(counted, share) > 0.0,
        )
        self._loss_history.assign(history)
        self._loss_counts.assign(counts)

    def _validated(self, image, mask, is_real):
        denoise_fn = self.denoise_fn(image)
        if self._scores_steps:
            denoise_fn = self._scoring(denoise_fn, mask, is_real)
        return self._sample(image, same_seeds(image), denoise_fn)

    @property
    def _scores_steps(self):
        """Whether validation visits each step of training once."""
        is_whole = not self.sampler.may_end_early
        return is_whole and self.num_steps == self.diffusion.num_timesteps

    def _scoring(self, denoise_fn, mask, is_real):
        """A `denoise_fn` that scores the prediction of each step, and keeps none."""

        def denoise_and_score(x_t, t_index, *condition):
            model_out = denoise_fn(x_t, t_index, *condition)
            x_start = self.sampler.predict_x_start(model_out, x_t, t_index)
            step = self.diffusion.num_timesteps - 1 - t_index[0]
            group = self._step_groups.group(step)
            probabilities = x_start_to_probabilities(x_start)
            self._score(self._dice_by_step, mask, probabilities, is_real, step=group)
            return model_out

        return denoise_and_score

    def sample(self, image, seed):
        """Samples segmentations.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch]. An example's segmentation depends only on its image
                and its seed. With [batch, samples], an image is encoded once for
                several samples.

        Returns:
            Probabilities, float32 [batch, x, y, z, num_classes], or for several
            samples [batch, x, y, z, samples, num_classes].
        """
        denoise_fn = self.denoise_fn(image)
        return each_sample(lambda one: self._sample(image, one, denoise_fn), seed)

    def _sample(self, image, seed, denoise_fn):
        x_0 = self.sampler.sample(
            denoise_fn,
            self.initial_noise(image, seed),
            seed,
            self.strategy.is_self_conditioned,
        )
        return self._probabilities(x_0)

    def _probabilities(self, x_start):
        probabilities = x_start_to_probabilities(x_start)
        if self.encoding.is_exclusive and self.model_output is ModelOutput.NOISE:
            # Nothing makes them sum to 1, unlike those of a softmax.
            total = tf.reduce_sum(probabilities, axis=-1, keepdims=True)
            probabilities = tf.math.divide_no_nan(probabilities, total)
        return probabilities

    def sample_trajectory(self, image, seed):
        """Samples as `sample`, and returns the prediction of each reverse step.

        Returns:
            Probabilities, float32 [num_steps, batch, x, y, z, num_classes], or for
            several samples [num_steps, batch, x, y, z, samples, num_classes]; the last
            are those of `sample`.
        """
        denoise_fn = self.denoise_fn(image)

        def trajectory(seed):
            predictions = self.sampler.trajectory(
                denoise_fn,
                self.initial_noise(image, seed),
                seed,
                self.strategy.is_self_conditioned,
            )
            return self._probabilities(predictions)

        return each_sample(trajectory, seed)

    def initial_noise(self, image, seed):
        """The noise x_T, float32 [batch, x, y, z, num_classes], of `sample`."""
        shape = tf.concat([tf.shape(image)[:4], [self.num_classes]], axis=0)
        noise = initial_noise(seed, shape)
        return tf.ensure_shape(noise, [*image.shape[:4], self.num_classes])

    def denoise_fn(self, image):
        """The network for an image, as a function that samplers call.

        Args:
            image: float [batch, x, y, z, image_channels].

        Returns:
            Function (x_t, t_index) -> model_out; if the network is self-conditioned,
            an earlier prediction of x_start is a third argument.
        """
        features = run_network(self.encode, image)

        def denoise(x_t, t_index, condition=None):
            # The sampler may visit fewer steps than training.
            t = self.sampler.diffusion.time(t_index)
            noisy_mask = NoisyMask(x_t, condition)
            return self._to_model_out(self._denoise(features, noisy_mask, t))

        return denoise

    def _to_model_out(self, network_out):
        return network_out_to_model_out(network_out, self.diffusion, self.encoding)

    def _loss_results(self):
        names = self._step_groups.names("loss_t")
        by_step = tf.unstack(self._loss_by_step.result())
        return super()._loss_results() | dict(zip(names, by_step, strict=True))

    def _scores(self):
        results = super()._scores()
        if self._scores_steps:
            by_step = tf.unstack(self._dice_by_step.result())
            results |= dict(zip(self._dice_step_names, by_step, strict=True))
        return results

    @property
    def _dice_step_names(self):
        return self._step_groups.names("dice_step_", first=1)

    @property
    def metrics_names(self):
        """Names of the values of `evaluate`, in its order."""
        by_step = self._dice_step_names if self._scores_steps else []
        return [*super().metrics_names, *by_step]

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {
            "diffusion": self.diffusion.get_config(),
            "strategy": self.strategy.value,
            "timestep_sampling": self.timestep_sampler.sampling.value,
            "sampler": self._saved_sampler,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from its `get_config`, also of an earlier version."""
        if is_supervised(config):
            return SegmentationUNet3D.from_config(composed(config), custom_objects)
        return super().from_config(composed(config), custom_objects)


def _check_steps(sampler, diffusion):
    """Raises ValueError if a model with this diffusion cannot save the sampler."""
    output = sampler.diffusion.model_output
    if output is not diffusion.model_output:
        raise ValueError(
            f"the sampler is for a network that predicts {output.value}, this one "
            f"predicts {diffusion.model_output.value}"
        )
    if not sampler.diffusion.is_respaced_from(diffusion):
        raise ValueError(
            "the sampler has another diffusion than the model; make it with "
            "model.diffusion or model.diffusion.respaced(...)"
        )


def _check_output(model_output, strategy):
    if model_output is ModelOutput.NOISE and not strategy.noises_ground_truth:
        # The noise between a recycled mask and the ground truth contains the error of
        # the prediction, a hundredfold at the first step.
        names = [each.value for each in TrainingStrategy if each.noises_ground_truth]
        raise ValueError(
            f"model_output=noise needs `strategy={' or '.join(names)}`, "
            f"got `strategy={strategy.value}`"
        )
