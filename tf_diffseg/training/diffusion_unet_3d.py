"""The diffusion model: a 3D U-Net that trains and samples."""

import functools
import numbers

import keras
import tensorflow as tf

from tf_diffseg.diffusion import (
    BetaSchedule,
    GaussianDiffusion,
    MaskEncoding,
    ModelOutput,
    ModelVariance,
    TimestepSampler,
    TimestepSampling,
    initial_noise,
    label_to_mask,
    label_to_region_mask,
    logits_to_probabilities,
    mask_to_x_start,
    x_start_to_probabilities,
)
from tf_diffseg.diffusion.noise import uniform_volume_per_example
from tf_diffseg.diffusion.sampler_kind import SamplerKind
from tf_diffseg.metrics import GroupedMean, StreamingDice, StreamingDiceByStep
from tf_diffseg.models.dropout import dropout_draws
from tf_diffseg.training.batch import check_image, image_and_label
from tf_diffseg.training.distribution.multi_worker import adapt_to_workers
from tf_diffseg.training.distribution.replica_share import (
    fill_up,
    gather_from_replicas,
    share_of_replica,
    sum_over_replicas,
)
from tf_diffseg.training.distribution.step_groups import StepGroups
from tf_diffseg.training.distribution.whole_gradients import (
    sum_gradients,
    take_whole_gradients,
)
from tf_diffseg.training.distribution.whole_results import result_over_replicas
from tf_diffseg.training.gradient_accumulation import accumulate_gradients
from tf_diffseg.training.ignored_voxels import (
    has_labelled_voxels,
    known_x_start,
    mark_ignored,
    split_ignored,
)
from tf_diffseg.training.keras_unet_3d import KerasUNet3D
from tf_diffseg.training.label_check import checked_data, plain_errors
from tf_diffseg.training.labels import LabelIds
from tf_diffseg.training.network_output import initial_bias, network_out_to_model_out
from tf_diffseg.training.noisy_mask import NoisyMask, TrainingStrategy
from tf_diffseg.training.saving.optimizer_state import (
    build_optimizer,
    numeric_rate,
    trained_places,
)
from tf_diffseg.training.step_draws import example_seeds, step_seeds
from tf_diffseg.training.training_checks import refuse_gradient_accumulation
from tf_diffseg.training.training_loss import TrainingLoss
from tf_diffseg.training.validation_loss import ValidationLoss


@keras.saving.register_keras_serializable(package="tf_diffseg")
class DiffusionUNet3D(KerasUNet3D):
    """Segments volumes by diffusion (arXiv 2303.06040).

    `compile(optimizer)`, then `fit` on pairs (image, label) or dicts with these
    keys, in batches of `image` float [batch, x, y, z, image_channels] and `label`
    int [batch, x, y, z]. `fit` reports the losses, also of each time step, and the
    norm of the gradient; a time step that an epoch did not draw has the mean of the
    others. `evaluate` samples a segmentation and reports its Dice, of each class and
    after each reverse step as well, and its `loss`, see `ValidationLoss`; `predict`
    samples and gives probabilities [batch, x, y, z, num_classes].

    The loss is built in. What a step draws depends on (`seed`, optimizer step, place
    in the batch), so it can be repeated exactly, on any number of devices, whether or
    not they divide the batch evenly.

    Args:
        num_classes: classes, background included unless they overlap.
        image_channels: channels of the image.
        strategy: a `TrainingStrategy` or its value.
        num_timesteps: diffusion steps, the same in training and in sampling.
        num_timesteps_beta: steps that the noise schedule is defined over.
        beta_schedule: a `BetaSchedule` or its value.
        beta_start: beta of the schedule's first step.
        beta_end: beta of the schedule's last step.
        model_output: a `ModelOutput` or its value: what the network predicts.
        model_variance: a `ModelVariance` or its value, of the DDPM sampler.
        timestep_sampling: a `TimestepSampling` or its value: which steps to train on.
        sampler: a `SamplerKind` or its value.
        eta: noise that DDIM draws, as a share of DDPM's standard deviation.
        dice_weight: as for `TrainingLoss`, like the other weights.
        cross_entropy_weight: weight of the cross-entropy.
        focal_weight: weight of the focal loss.
        focal_gamma: exponent of the focal loss.
        noise_weight: weight of the error of predicted noise.
        variational_weight: weight of the variational bound.
        regions: where classes overlap, the label ids that each is made of, for BraTS
            [[1, 2, 4], [1, 4], [4]]; None for exclusive classes.
        class_frequencies: share of voxels of each class, where training starts from
            rather than from classes that are all alike; None where it is not known.
        ignore_label: label of voxels whose class is not known, such as 255: they are
            in no loss and no score; None where each voxel has a class.
        seed: of all that training draws.
        **kwargs: the arguments of `UNet3D` but out_channels and mask_channels.

    Attributes:
        diffusion: the `GaussianDiffusion`; None for the supervised baseline.
        sampler: the `Sampler` that `evaluate` and `predict` use; may be replaced.
        asked_rate: learning rate that `compile` was asked for, where it is a number.

    Raises:
        ValueError: an argument is out of its range; the message names it.
    """

    def __init__(
        self,
        num_classes,
        image_channels=1,
        strategy="recycling",
        num_timesteps=5,
        num_timesteps_beta=1001,
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        model_output="x_start",
        model_variance="fixed_small",
        timestep_sampling="uniform",
        sampler="ddim",
        eta=0.0,
        dice_weight=1.0,
        cross_entropy_weight=1.0,
        focal_weight=0.0,
        focal_gamma=2.0,
        noise_weight=1.0,
        variational_weight=0.0,
        regions=None,
        class_frequencies=None,
        ignore_label=None,
        seed=0,
        **kwargs,
    ):
        strategy = TrainingStrategy(strategy)
        _check_classes(num_classes, regions)
        is_learned = ModelVariance(model_variance).is_learned
        by_loss = TimestepSampling(timestep_sampling) is TimestepSampling.LOSS
        _check_output(ModelOutput(model_output), strategy)
        _check_supervised(
            strategy, model_variance=is_learned, timestep_sampling=by_loss
        )
        mask_channels = num_classes if strategy.noisy_mask else 0
        super().__init__(
            out_channels=num_classes * (2 if is_learned else 1),
            image_channels=image_channels,
            mask_channels=mask_channels * (2 if strategy.is_self_conditioned else 1),
            **kwargs,
        )
        self.num_classes = num_classes
        self.strategy = strategy
        self.regions = None if regions is None else [list(ids) for ids in regions]
        self._label_ids = _label_ids(num_classes, self.regions, ignore_label)
        self.ignore_label = self._label_ids.ignore_label
        self.encoding = (
            MaskEncoding.EXCLUSIVE if regions is None else MaskEncoding.OVERLAPPING
        )
        self.num_timesteps = num_timesteps
        self.num_timesteps_beta = num_timesteps_beta
        self.beta_schedule = BetaSchedule(beta_schedule)
        self.beta_start = beta_start
        self.beta_end = beta_end
        self.model_output = ModelOutput(model_output)
        self.model_variance = ModelVariance(model_variance)
        self.timestep_sampling = TimestepSampling(timestep_sampling)
        self.sampler_kind = SamplerKind(sampler)
        self.eta = eta
        self.loss_arguments = {
            "dice_weight": dice_weight,
            "cross_entropy_weight": cross_entropy_weight,
            "focal_weight": focal_weight,
            "focal_gamma": focal_gamma,
            "noise_weight": noise_weight,
            "variational_weight": variational_weight,
        }
        self.seed = seed
        self._build_diffusion()
        self._training_loss = TrainingLoss(
            self.diffusion,
            self.encoding,
            has_ignored=ignore_label is not None,
            **self.loss_arguments,
        )
        self._validation_loss = ValidationLoss(
            self.encoding, ignore_label is not None, **self.loss_arguments
        )
        self._build_metrics()
        self.class_frequencies = None
        if class_frequencies is not None:
            self.class_frequencies = _frequencies(class_frequencies, num_classes)
            if self.model_output is ModelOutput.X_START:
                bias = initial_bias(
                    self.class_frequencies, self.out_channels, self.encoding
                )
                self.get_layer("head").bias.assign(bias)
        # What Keras chooses for itself runs 3D convolutions under XLA on a CPU,
        # several times slower than TensorFlow's own kernels.
        self.jit_compile = _compiles_by_default()

    def _build_diffusion(self):
        """The process, its sampler and the choice of steps; none when supervised."""
        self.diffusion = self.sampler = self.timestep_sampler = None
        # Built all the same, so that a wrong value never passes.
        diffusion = GaussianDiffusion(
            self.num_timesteps,
            self.num_timesteps_beta,
            self.beta_schedule,
            self.beta_start,
            self.beta_end,
            self.model_output,
            self.model_variance,
        )
        if self.strategy is TrainingStrategy.SUPERVISED:
            return
        self.diffusion = diffusion
        self.sampler = self.sampler_kind.build(self.diffusion, self.eta)
        self.timestep_sampler = TimestepSampler(
            self.num_timesteps, self.timestep_sampling
        )
        if self.timestep_sampling is TimestepSampling.LOSS:
            # Weights of the model: saved with it, and the same on all replicas.
            history, counts = self.timestep_sampler.initial_state()
            self._loss_history = self._add_state("loss_history", history)
            self._loss_counts = self._add_state("loss_counts", counts)

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

    def _build_metrics(self):
        self._loss_means = {
            name: keras.metrics.Mean(name=name) for name in self._training_loss.names
        }
        self._gradient_norm = keras.metrics.Mean(name="gradient_norm")
        overlaps = self.encoding is MaskEncoding.OVERLAPPING
        kind = {"include_background": overlaps, "from_masks": overlaps}
        self._dice = StreamingDice(self.num_classes, **kind)
        if self.diffusion is not None:
            self._step_groups = StepGroups(self.num_timesteps)
            num_groups = self._step_groups.num_groups
            self._loss_by_step = GroupedMean(num_groups, name="loss_by_step")
            self._dice_by_step = StreamingDiceByStep(
                num_groups, self.num_classes, **kind
            )
        self._is_evaluating = False

    def compile(
        self, optimizer="adamw", jit_compile="auto", accumulation_steps=1, **kwargs
    ):
        """Prepares for training, as `keras.Model.compile`.

        Args:
            optimizer: a Keras optimizer or its name.
            jit_compile: whether to compile with XLA, on one device; "auto" does on a
                GPU or TPU.
            accumulation_steps: parts that a device's batch is worked through in, one
                after the other, to take less memory. The gradient is that of the
                whole batch, and so are the draws.
            **kwargs: passed on; loss and metrics are built in.

        Raises:
            ValueError: a loss or metrics are given, accumulation_steps is below 1, or
                the optimizer accumulates gradients by itself, or several devices are to
                use XLA.
        """
        if accumulation_steps < 1:
            raise ValueError(
                f"accumulation_steps must be at least 1, got {accumulation_steps}"
            )
        self._accumulation_steps = accumulation_steps
        for name in ("loss", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"{name} cannot be given: Dice and the loss are built in, and "
                    "the model's arguments choose and weigh its terms"
                )
        refuse_gradient_accumulation(optimizer)
        several = self.distribute_strategy.num_replicas_in_sync > 1
        if jit_compile == "auto":
            jit_compile = _compiles_by_default() and not several
        if jit_compile and several:
            raise ValueError(
                "jit_compile=True needs one device: XLA compiles no step that several "
                "share"
            )
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        adapt_to_workers(self)
        self.asked_rate = numeric_rate(self.optimizer)
        with self.distribute_strategy.scope():
            take_whole_gradients(self.optimizer)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds what Keras builds by a batch, whose shares it expects to be equal.

        The network itself is there since it was made.
        """
        del iterator, data_batch
        if self._distribute_strategy is not None and not self.optimizer.built:
            with self._distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        """What `compile_from_config` needs; None before `compile`."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "accumulation_steps": self._accumulation_steps,
            "asked_rate": self.asked_rate,
            "trained": trained_places(self),
        }

    def compile_from_config(self, config):
        """Compiles a loaded model with the optimizer it was saved with.

        Whether to use XLA is decided anew, by the devices of this machine.
        """
        self.compile(
            keras.saving.deserialize_keras_object(config["optimizer"]),
            accumulation_steps=config.get("accumulation_steps", 1),
        )
        self.asked_rate = config.get("asked_rate", self.asked_rate)
        if "trained" not in config:  # Saved by an earlier version.
            self.optimizer.build(self.trainable_variables)
        elif config["trained"] is not None:
            build_optimizer(self, config["trained"])

    def train_step(self, data):
        """One step on one replica's share of a batch."""
        image, mask = self._image_and_mask(data)
        share = share_of_replica(tf.shape(image)[0])
        seeds = step_seeds(self.seed, self.optimizer.iterations)
        all_steps, all_weights = self._draw_timesteps(seeds.timesteps, share.total)
        t_index, weights = share.of(all_steps), share.of(all_weights)
        noise_seeds = example_seeds(seeds.noise, share)
        dropout_seeds = example_seeds(seeds.dropout, share)
        counted, num_counted = self._counted_examples(mask, share)

        gradients, losses = accumulate_gradients(
            functools.partial(self._gradients_and_losses, num_counted),
            fill_up(
                (image, mask, t_index, weights, noise_seeds, dropout_seeds),
                self._accumulation_steps,
            ),
            self._accumulation_steps,
        )
        gradients = sum_gradients(gradients)
        self._observe_norm(gradients)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        losses = {name: values[: share.size] for name, values in losses.items()}
        self._remember_losses(all_steps, losses["loss"], counted, share)
        for name, metric in self._loss_means.items():
            metric.update_state(weights * losses[name], counted)
        if self.diffusion is not None:
            groups = self._step_groups.group(t_index)
            if counted is not None:
                groups = tf.where(counted > 0.0, groups, -1)
            self._loss_by_step.update_state(losses["loss"], groups)
        return result_over_replicas(self.metrics, self._loss_results)

    def _gradients_and_losses(self, num_counted, batch):
        """Those of a part of a batch of which `num_counted` examples count."""
        image, mask, t_index, weights, noise_seeds, dropout_seeds = batch
        noisy_mask = self._make_noisy_mask(
            image, mask, t_index, noise_seeds, dropout_seeds
        )
        with tf.GradientTape() as tape:
            network_out = self._run_network(
                image, noisy_mask, self._time(t_index), dropout_seeds
            )
            losses = self._training_loss(mask, network_out, noisy_mask.x_t, t_index)
            # The mean over the batch, once the parts and the replicas are summed.
            loss = tf.reduce_sum(weights * losses["loss"])
            loss = tf.math.divide_no_nan(loss, num_counted)
            scaled_loss = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled_loss, self.trainable_variables), losses

    def _observe_norm(self, gradients):
        """Takes in the gradient's norm, unless the loss was scaled by too much."""
        gradients = [each for each in gradients if each is not None]
        norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        is_finite = tf.math.is_finite(norm)
        self._gradient_norm.update_state(
            tf.where(is_finite, norm, 0.0), sample_weight=tf.cast(is_finite, tf.float32)
        )

    def _image_and_mask(self, data):
        """Image and encoded label of a batch."""
        image, label = image_and_label(
            data, self.image_channels, self._label_ids, asserts=not self.jit_compile
        )
        if self.regions is not None:
            mask = label_to_region_mask(label, self.regions)
        else:
            mask = label_to_mask(label, self.num_classes)
        if self.ignore_label is not None:
            mask = mark_ignored(mask, label, self.ignore_label)
        return image, mask

    def _counted_examples(self, mask, share):
        """Which examples count: those with a voxel that is not ignored.

        Returns:
            (float [share.size], 1 or 0, or None where all do; how many of all replicas
            do).
        """
        if self.ignore_label is None:
            return None, tf.cast(share.total, tf.float32)
        counted = has_labelled_voxels(mask)
        return counted, sum_over_replicas(tf.reduce_sum(counted))

    def _draw_timesteps(self, seed, total):
        """Steps of the examples of all replicas, and weights of their losses."""
        if self.diffusion is None:
            return tf.zeros([total], tf.int32), tf.ones([total])
        return self.timestep_sampler.sample(seed, total, self._timestep_probabilities())

    def _timestep_probabilities(self):
        if self.timestep_sampling is TimestepSampling.UNIFORM:
            return self.timestep_sampler.probabilities()
        return self.timestep_sampler.probabilities(
            tf.convert_to_tensor(self._loss_history),
            tf.convert_to_tensor(self._loss_counts),
        )

    def _remember_losses(self, all_steps, losses, counted, share):
        """Takes the losses of all replicas into what steps are drawn by."""
        if self.diffusion is None or self.timestep_sampling is TimestepSampling.UNIFORM:
            return
        history, counts = self.timestep_sampler.update(
            tf.convert_to_tensor(self._loss_history),
            tf.convert_to_tensor(self._loss_counts),
            all_steps,
            gather_from_replicas(losses, share),
            None if counted is None else gather_from_replicas(counted, share) > 0.0,
        )
        self._loss_history.assign(history)
        self._loss_counts.assign(counts)

    def _make_noisy_mask(self, image, mask, t_index, noise_seeds, dropout_seeds):
        """The strategy's `NoisyMask`; an empty one for the supervised baseline."""
        if self.diffusion is None:
            return NoisyMask(None)

        def predict_x_start(x_t, t_index):
            network_out = self._run_network(
                image, NoisyMask(x_t), self._time(t_index), dropout_seeds
            )
            model_out = self._to_model_out(network_out)
            return self.diffusion.predict_x_start(model_out, x_t, t_index, clip=True)

        return self.strategy.noisy_mask(
            self.diffusion,
            predict_x_start,
            self._x_start(mask),
            t_index,
            noise_seeds,
        )

    def _x_start(self, mask):
        if self.ignore_label is None:
            return mask_to_x_start(mask)
        return known_x_start(mask, self.encoding)

    def _time(self, t_index):
        return None if self.diffusion is None else self.diffusion.time(t_index)

    def _run_network(self, image, noisy_mask=None, t=None, dropout_seeds=None):
        """Trains, with dropout, where there are seeds for it; otherwise predicts."""
        inputs = {"image": image}
        if self.diffusion is not None:
            inputs |= {"x_t": self._mask_input(noisy_mask), "t": t}
        if dropout_seeds is None:
            return self(inputs, training=False)
        with dropout_draws(
            functools.partial(uniform_volume_per_example, dropout_seeds)
        ):
            return self(inputs, training=True)

    def _mask_input(self, noisy_mask):
        x_t, condition = noisy_mask
        if not self.strategy.is_self_conditioned:
            return x_t
        condition = tf.zeros_like(x_t) if condition is None else condition
        return tf.concat([x_t, condition], axis=-1)

    def test_step(self, data):
        """Samples segmentations and scores them with Dice and a loss."""
        image, mask = self._image_and_mask(data)
        is_real = tf.ones(tf.shape(image)[:1])
        image, mask, is_real = fill_up((image, mask, is_real))
        seed = _evaluation_seeds(image)
        if self._scores_steps:
            denoise_fn = self._scoring_denoise_fn(image, mask, is_real)
            probabilities = self._sample(image, seed, denoise_fn)
        else:
            probabilities = self.sample(image, seed)
        self._score(self._dice, mask, probabilities, is_real)
        losses, weights = self._validation_loss(mask, probabilities)
        weights = is_real if weights is None else is_real * weights
        self._loss_means["loss"].update_state(losses, weights)
        return result_over_replicas(self.metrics, self._dice_results)

    @property
    def _scores_steps(self):
        """Whether validation visits the steps of training, each once."""
        if self.sampler is None:
            return False
        return self.sampler.diffusion.num_timesteps == self.num_timesteps

    def _scoring_denoise_fn(self, image, mask, is_real):
        """`denoise_fn` that scores what each step predicts.

        Unlike a `trajectory` it keeps none of them: memory stays what sampling takes.
        """
        denoise = self.denoise_fn(image)

        def denoise_and_score(x_t, t_index, *condition):
            model_out = denoise(x_t, t_index, *condition)
            x_start = self.sampler.predict_x_start(model_out, x_t, t_index)
            step = self.num_timesteps - 1 - t_index[0]
            group = self._step_groups.group(step)
            probabilities = x_start_to_probabilities(x_start)
            self._score(self._dice_by_step, mask, probabilities, is_real, step=group)
            return model_out

        return denoise_and_score

    def _score(self, metric, mask, probabilities, is_real, **step):
        is_labelled = None
        if self.ignore_label is not None:
            mask, is_labelled = split_ignored(mask)
        step["is_labelled"] = is_labelled
        if self.encoding is MaskEncoding.OVERLAPPING:
            metric.update_state(mask, probabilities > 0.5, is_real, **step)
        else:
            classes = tf.argmax(mask, axis=-1), tf.argmax(probabilities, axis=-1)
            metric.update_state(*classes, is_real, **step)

    def predict_step(self, data):
        """Samples probabilities for images, or for dicts with `image` and `seed`."""
        data = data[0] if isinstance(data, tuple) else data
        data = data if isinstance(data, dict) else {"image": data}
        image = check_image(
            data["image"], self.image_channels, asserts=not self.jit_compile
        )
        size = tf.shape(image)[0]
        image, seed = fill_up((image, data.get("seed", _evaluation_seeds(image))))
        return self.sample(image, seed)[:size]

    def sample(self, image, seed):
        """Segments images.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch]. An example's segmentation depends on its image and
                its seed alone.

        Returns:
            Probabilities, float32 [batch, x, y, z, num_classes].
        """
        if self.sampler is None:
            return logits_to_probabilities(self._run_network(image), self.encoding)
        return self._sample(image, seed, self.denoise_fn(image))

    def _sample(self, image, seed, denoise_fn):
        x_0 = self.sampler.sample(
            denoise_fn,
            self.initial_noise(image, seed),
            seed,
            self.strategy.is_self_conditioned,
        )
        return x_start_to_probabilities(x_0)

    def sample_trajectory(self, image, seed):
        """As `sample`, for what was predicted at each reverse step.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch].

        Returns:
            Probabilities, float32 [steps, batch, x, y, z, num_classes], the last
            those of `sample`. The supervised baseline has one step.
        """
        if self.sampler is None:
            return self.sample(image, seed)[tf.newaxis]
        predictions = self.sampler.trajectory(
            self.denoise_fn(image),
            self.initial_noise(image, seed),
            seed,
            self.strategy.is_self_conditioned,
        )
        return x_start_to_probabilities(predictions)

    def initial_noise(self, image, seed):
        """x_T, where sampling starts.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch].

        Returns:
            float32 [batch, x, y, z, num_classes].
        """
        shape = tf.concat([tf.shape(image)[:4], [self.num_classes]], axis=0)
        noise = initial_noise(seed, shape)
        return tf.ensure_shape(noise, [*image.shape[:4], self.num_classes])

    def denoise_fn(self, image):
        """The network as samplers take it.

        Args:
            image: float [batch, x, y, z, image_channels].

        Returns:
            Function (x_t, t_index) -> model_out, with an earlier prediction of
            x_start as a third argument where the network is self-conditioned.
        """

        def denoise(x_t, t_index, condition=None):
            # The sampler may visit fewer steps than the network is trained with.
            t = self.sampler.diffusion.time(t_index)
            return self._to_model_out(
                self._run_network(image, NoisyMask(x_t, condition), t)
            )

        return denoise

    def _to_model_out(self, network_out):
        return network_out_to_model_out(network_out, self.diffusion, self.encoding)

    def _loss_results(self):
        results = {name: metric.result() for name, metric in self._loss_means.items()}
        results["gradient_norm"] = self._gradient_norm.result()
        if self.diffusion is not None:
            names = self._step_groups.names("loss_t")
            by_step = tf.unstack(self._loss_by_step.result())
            results |= dict(zip(names, by_step, strict=True))
        return results

    def _dice_results(self):
        per_class = tf.unstack(self._dice.per_class())[-len(self._dice_names) :]
        by_name = dict(zip(self._dice_names, per_class, strict=True))
        if self._scores_steps:
            by_step = tf.unstack(self._dice_by_step.result())
            by_name |= dict(zip(self._dice_step_names, by_step, strict=True))
        loss = self._loss_means["loss"].result()
        return {"loss": loss, "dice": self._dice.result(), **by_name}

    @property
    def _dice_names(self):
        first = 1 if self.encoding is MaskEncoding.EXCLUSIVE else 0  # The background.
        return [f"dice_class_{class_id}" for class_id in range(first, self.num_classes)]

    @property
    def _dice_step_names(self):
        return self._step_groups.names("dice_step_", first=1)

    @property
    def metrics_names(self):
        """Names of what `evaluate` gives, in its order."""
        by_step = self._dice_step_names if self._scores_steps else []
        return ["loss", "dice", *self._dice_names, *by_step]

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """Trains, as `keras.Model.fit`; raises ValueError for labels of other ids."""
        x, y = self._checked((x, y))
        if validation_data is not None:
            validation_data = self._checked(validation_data)
        with plain_errors():
            return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Samples and scores, as `keras.Model.evaluate`; see `fit`."""
        if not kwargs.get("_use_cached_eval_dataset"):  # Looked at by `fit`.
            x, y = self._checked((x, y))
        self._is_evaluating = True
        try:
            with plain_errors():
                return super().evaluate(x, y, *args, **kwargs)
        finally:
            self._is_evaluating = False

    def _checked(self, data):
        return checked_data(data, self._label_ids, asserts=not self.jit_compile)

    def get_metrics_result(self):
        """The losses, or the Dice while `evaluate` runs.

        Keras reports these instead of what the last step returned where the names
        agree. They are read across replicas, a step's are those of its replicas.
        """
        return self._dice_results() if self._is_evaluating else self._loss_results()

    def get_config(self):
        """Constructor arguments."""
        config = super().get_config()
        del config["out_channels"], config["mask_channels"]
        return config | {
            "num_classes": self.num_classes,
            "strategy": self.strategy.value,
            "num_timesteps": self.num_timesteps,
            "num_timesteps_beta": self.num_timesteps_beta,
            "beta_schedule": self.beta_schedule.value,
            "beta_start": self.beta_start,
            "beta_end": self.beta_end,
            "model_output": self.model_output.value,
            "model_variance": self.model_variance.value,
            "timestep_sampling": self.timestep_sampling.value,
            "sampler": self.sampler_kind.value,
            "eta": self.eta,
            **self.loss_arguments,
            "regions": self.regions,
            "class_frequencies": self.class_frequencies,
            "ignore_label": self.ignore_label,
            "seed": self.seed,
        }


def _check_classes(num_classes, regions):
    if regions is None:
        if num_classes < 2:
            raise ValueError(
                f"num_classes must be at least 2, background and one more, "
                f"got {num_classes}"
            )
    elif len(regions) != num_classes or not all(map(len, regions)):
        raise ValueError(
            f"regions must hold the label ids of each of num_classes={num_classes}, "
            f"got {regions}"
        )


def _label_ids(num_classes, regions, ignore_label):
    """The `LabelIds` of batches. An id that is in no region is background."""
    num_ids, because = num_classes, f"num_classes={num_classes}"
    if regions is not None:
        largest = max(map(max, regions))
        num_ids, because = largest + 1, f"the largest id in regions is {largest}"
    if ignore_label is not None:
        is_whole = isinstance(ignore_label, numbers.Integral)
        if not is_whole or isinstance(ignore_label, bool):
            raise ValueError(
                f"ignore_label must be a whole number or None, got {ignore_label!r}"
            )
        if 0 <= ignore_label < num_ids or abs(ignore_label) >= 2**31:
            raise ValueError(
                f"ignore_label must be another number of 32 bits than the label ids 0 "
                f"to {num_ids - 1} ({because}), got {ignore_label}"
            )
        ignore_label = int(ignore_label)
    return LabelIds(num_ids, because, ignore_label)


def _check_supervised(strategy, **asked_for):
    for name, is_asked_for in asked_for.items():
        if strategy is TrainingStrategy.SUPERVISED and is_asked_for:
            raise ValueError(
                f"{name}: strategy=supervised has no time steps, so leave it as it is"
            )


def _frequencies(class_frequencies, num_classes):
    frequencies = [float(share) for share in class_frequencies]
    if len(frequencies) != num_classes or not all(0.0 <= f <= 1.0 for f in frequencies):
        raise ValueError(
            f"class_frequencies must be {num_classes} shares in [0, 1], one for each "
            f"class, got {frequencies}"
        )
    return frequencies


def _check_output(model_output, strategy):
    if model_output is ModelOutput.NOISE and not strategy.noises_ground_truth:
        # The noise that leads from a recycled mask to the ground truth holds the
        # error of the prediction, a hundredfold at the first step.
        names = [each.value for each in TrainingStrategy if each.noises_ground_truth]
        raise ValueError(
            f"model_output=noise needs strategy={' or '.join(names)}, "
            f"got strategy={strategy.value}"
        )


def _evaluation_seeds(image):
    """The same seed for every example: its score does not depend on its batch."""
    return tf.zeros(tf.shape(image)[:1], tf.int32)


def _compiles_by_default():
    devices = tf.config.list_physical_devices()
    return any(device.device_type in ("GPU", "TPU") for device in devices)
