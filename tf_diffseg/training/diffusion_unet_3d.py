"""The diffusion model: a 3D U-Net that trains and samples."""

import keras
import tensorflow as tf

from tf_diffseg.diffusion import (
    BetaSchedule,
    GaussianDiffusion,
    ModelOutput,
    TimestepSampler,
    initial_noise,
    label_to_mask,
    logits_to_probabilities,
    logits_to_x_start,
    mask_to_x_start,
    x_start_to_probabilities,
)
from tf_diffseg.diffusion.sampler_kind import SamplerKind
from tf_diffseg.metrics import StreamingDice
from tf_diffseg.models import UNet3D
from tf_diffseg.training.noisy_mask import TrainingStrategy
from tf_diffseg.training.segmentation_loss import segmentation_loss


@keras.saving.register_keras_serializable(package="tf_diffseg")
class DiffusionUNet3D(UNet3D):
    """Segments volumes by diffusion (arXiv 2303.06040).

    `compile(optimizer)`, then `fit` on pairs (image, label) or dicts with these
    keys, in batches of `image` float [batch, x, y, z, image_channels] and `label`
    int [batch, x, y, z]. `evaluate` samples a segmentation and reports its Dice;
    `predict` samples and gives probabilities [batch, x, y, z, num_classes].

    The loss is built in. Noise and time steps are drawn from (`seed`, optimizer
    step, place in the batch), so a step can be repeated exactly, on any number of
    devices.

    Args:
        num_classes: classes, background included.
        image_channels: channels of the image.
        strategy: a `TrainingStrategy` or its value.
        num_timesteps: diffusion steps, the same in training and in sampling.
        num_timesteps_beta: steps that the noise schedule is defined over.
        beta_schedule: a `BetaSchedule` or its value.
        model_output: a `ModelOutput` or its value: what the network predicts.
            Noise is trained with the mean squared error, x_start with the
            segmentation losses below.
        sampler: a `SamplerKind` or its value.
        dice_weight: weight of the Dice loss, over the classes that an example has.
        cross_entropy_weight: weight of the cross-entropy.
        focal_weight: weight of the focal loss.
        seed: of all that training draws.
        **kwargs: the arguments of `UNet3D` but out_channels and mask_channels.

    Attributes:
        diffusion: the `GaussianDiffusion`; None for the supervised baseline.
        sampler: the `Sampler` that `evaluate` and `predict` use; may be replaced.

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
        model_output="x_start",
        sampler="ddim",
        dice_weight=1.0,
        cross_entropy_weight=1.0,
        focal_weight=0.0,
        seed=0,
        **kwargs,
    ):
        if num_classes < 2:
            raise ValueError(
                f"num_classes must be at least 2, background and one more, "
                f"got {num_classes}"
            )
        strategy = TrainingStrategy(strategy)
        model_output = ModelOutput(model_output)
        is_diffusion = strategy is not TrainingStrategy.SUPERVISED
        predicts_noise = model_output is ModelOutput.NOISE
        if predicts_noise and strategy is not TrainingStrategy.DIFFUSION:
            # The noise that leads from a recycled mask to the ground truth holds the
            # error of the prediction, a hundredfold at the first step.
            raise ValueError(
                "model_output=noise needs strategy=diffusion, "
                f"got strategy={strategy.value}"
            )
        super().__init__(
            out_channels=num_classes,
            image_channels=image_channels,
            mask_channels=num_classes if is_diffusion else 0,
            **kwargs,
        )
        self.num_classes = num_classes
        self.strategy = strategy
        self.num_timesteps = num_timesteps
        self.num_timesteps_beta = num_timesteps_beta
        self.beta_schedule = BetaSchedule(beta_schedule)
        self.model_output = model_output
        self.sampler_kind = SamplerKind(sampler)
        self.loss_weights = {
            "dice_loss": dice_weight,
            "cross_entropy": cross_entropy_weight,
            "focal_loss": focal_weight,
        }
        self.seed = seed
        self.diffusion = self.sampler = self.timestep_sampler = None
        if is_diffusion:
            self.diffusion = GaussianDiffusion(
                num_timesteps,
                num_timesteps_beta,
                self.beta_schedule,
                model_output=self.model_output,
            )
            self.sampler = self.sampler_kind.build(self.diffusion)
            self.timestep_sampler = TimestepSampler(num_timesteps)
        self._loss_means = {
            name: keras.metrics.Mean(name=name) for name in self._loss_names()
        }
        self._dice = StreamingDice(num_classes)
        self._is_evaluating = False
        # What Keras chooses for itself runs 3D convolutions under XLA on a CPU,
        # several times slower than TensorFlow's own kernels.
        self.jit_compile = _compiles_by_default()

    def _loss_names(self):
        if self.model_output is ModelOutput.NOISE:
            return ["loss"]
        if min(self.loss_weights.values()) < 0.0:
            raise ValueError(f"loss weights must be positive, got {self.loss_weights}")
        names = [name for name, weight in self.loss_weights.items() if weight]
        if not names:
            raise ValueError("all loss weights are 0, there is nothing to train")
        return ["loss", *names]

    def compile(self, optimizer="adamw", jit_compile="auto", **kwargs):
        """Prepares for training, as `keras.Model.compile`.

        Args:
            optimizer: a Keras optimizer or its name.
            jit_compile: whether to compile with XLA; "auto" does on GPU and TPU.
            **kwargs: passed on; loss and metrics are built in.

        Raises:
            ValueError: a loss or metrics are given.
        """
        for name in ("loss", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"{name} cannot be given: Dice and the loss are built in, and "
                    "dice_weight, cross_entropy_weight and focal_weight choose the loss"
                )
        if jit_compile == "auto":
            jit_compile = _compiles_by_default()
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def get_compile_config(self):
        """What `compile_from_config` needs; None before `compile`."""
        if not self.compiled:
            return None
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer)}

    def compile_from_config(self, config):
        """Compiles a loaded model with the optimizer it was saved with.

        Whether to use XLA is decided anew, by the devices of this machine.
        """
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]))
        self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        """One step on one replica's share of a batch."""
        image, label = self._image_and_label(data)
        mask = label_to_mask(label, self.num_classes)
        x_t, t_index, weights = self._draw_noisy_mask(image, mask)

        with tf.GradientTape() as tape:
            model_out = self._run_network(
                image, x_t, self._time(t_index), training=True
            )
            losses = self._example_losses(model_out, mask, x_t, t_index)
            loss = tf.reduce_mean(weights * losses["loss"])
            # The optimizer sums the gradients of the replicas.
            num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled_loss = self.optimizer.scale_loss(loss / num_replicas)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        for name, metric in self._loss_means.items():
            metric.update_state(losses[name])
        return self._loss_results()

    def _image_and_label(self, data):
        """Takes a batch apart, a dict or a pair, and checks it."""
        if isinstance(data, dict):
            image, label, weight = data["image"], data["label"], None
        else:
            image, label, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError("sample weights are not supported")
        _check_shape("image", image, (None, None, None, None, self.image_channels))
        if label.shape.rank == 5 and label.shape[-1] == 1:
            label = label[..., 0]
        _check_shape("label", label, (None, None, None, None))
        label = tf.cast(label, tf.int32)
        tf.debugging.assert_less(
            label,
            self.num_classes,
            f"label must be below num_classes={self.num_classes}",
        )
        tf.debugging.assert_non_negative(label, "label must not be negative")
        return image, label

    def _draw_noisy_mask(self, image, mask):
        """Draws steps and the noisy masks to train on: (x_t, t_index, weights)."""
        if self.diffusion is None:
            return None, None, 1.0
        t_index, weights, seed = self._draw_timesteps(tf.shape(image)[0])

        def predict_x_start(x_t, t_index):
            model_out = self._run_network(
                image, x_t, self._time(t_index), training=True
            )
            return self.diffusion.predict_x_start(
                self._in_x_space(model_out), x_t, t_index, clip=True
            )

        x_t = self.strategy.noisy_mask(
            self.diffusion, predict_x_start, mask_to_x_start(mask), t_index, seed
        )
        return x_t, t_index, weights

    def _time(self, t_index):
        return None if t_index is None else self.diffusion.time(t_index)

    def _timestep_probabilities(self):
        return self.timestep_sampler.probabilities(
            *self.timestep_sampler.initial_state()
        )

    def _draw_timesteps(self, batch_size):
        """Draws (t_index, weights, seed of the noise) for each example of a replica.

        Drawn for the batch of all replicas from (seed, optimizer step), and then
        cut: an example trains on the same, however many devices share the batch.
        """
        philox = tf.random.Algorithm.PHILOX
        step = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int32)
        seed = tf.random.experimental.stateless_fold_in([self.seed, 0], step, philox)
        seed_steps, seed_noise = tf.unstack(tf.random.split(seed, alg=philox))

        context = tf.distribute.get_replica_context()
        total = batch_size * context.num_replicas_in_sync
        t_index, weights = self.timestep_sampler.sample(
            seed_steps, total, self._timestep_probabilities()
        )
        noise_seeds = tf.random.stateless_uniform(
            [total], seed_noise, None, None, tf.int32, alg=philox
        )
        start = context.replica_id_in_sync_group * batch_size
        share = slice(start, start + batch_size)
        return t_index[share], weights[share], noise_seeds[share]

    def _example_losses(self, model_out, mask, x_t, t_index):
        """Losses per example by name, the one to train on as `loss`."""
        if self.model_output is ModelOutput.X_START:
            return segmentation_loss(mask, model_out, self.loss_weights)
        noise = self.diffusion.predict_noise_from_x_start(
            x_t, mask_to_x_start(mask), t_index
        )
        return {"loss": tf.reduce_mean(tf.square(noise - model_out), axis=[1, 2, 3, 4])}

    def test_step(self, data):
        """Samples segmentations and scores them with Dice."""
        image, label = self._image_and_label(data)
        probabilities = self.sample(image, _evaluation_seeds(image))
        self._dice.update_state(label, tf.argmax(probabilities, axis=-1))
        return self._dice_results()

    def predict_step(self, data):
        """Samples probabilities for images, or for dicts with `image` and `seed`."""
        data = data[0] if isinstance(data, tuple) else data
        data = data if isinstance(data, dict) else {"image": data}
        image = data["image"]
        _check_shape("image", image, (None, None, None, None, self.image_channels))
        return self.sample(image, data.get("seed", _evaluation_seeds(image)))

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
            return logits_to_probabilities(self._run_network(image, training=False))
        x_0 = self.sampler.sample(self._denoise_fn(image), self._x_T(image, seed), seed)
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
            self._denoise_fn(image), self._x_T(image, seed), seed
        )
        return x_start_to_probabilities(predictions)

    def _x_T(self, image, seed):
        shape = tf.concat([tf.shape(image)[:4], [self.num_classes]], axis=0)
        noise = initial_noise(seed, shape)
        return tf.ensure_shape(noise, [*image.shape[:4], self.num_classes])

    def _denoise_fn(self, image):
        def denoise(x_t, t_index):
            t = self.sampler.diffusion.time(t_index)
            return self._in_x_space(self._run_network(image, x_t, t, training=False))

        return denoise

    def _run_network(self, image, x_t=None, t=None, training=None):
        inputs = {"image": image}
        if x_t is not None:
            inputs |= {"x_t": x_t, "t": t}
        return self(inputs, training=training)

    def _in_x_space(self, model_out):
        """What samplers take: x_start for logits, predicted noise as it is."""
        if self.model_output is ModelOutput.X_START:
            return logits_to_x_start(model_out)
        return model_out

    def _loss_results(self):
        return {name: metric.result() for name, metric in self._loss_means.items()}

    def _dice_results(self):
        per_class = tf.unstack(self._dice.per_class())
        names = [f"dice_class_{class_id}" for class_id in range(self.num_classes)]
        foreground = dict(list(zip(names, per_class, strict=True))[1:])
        return {"dice": self._dice.result(), **foreground}

    def evaluate(self, *args, **kwargs):
        """Samples and scores, as `keras.Model.evaluate`."""
        self._is_evaluating = True
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self._is_evaluating = False

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
            "model_output": self.model_output.value,
            "sampler": self.sampler_kind.value,
            "dice_weight": self.loss_weights["dice_loss"],
            "cross_entropy_weight": self.loss_weights["cross_entropy"],
            "focal_weight": self.loss_weights["focal_loss"],
            "seed": self.seed,
        }


def _check_shape(name, tensor, expected):
    """Raises ValueError unless a static shape fits `expected`, None being any size."""
    shape = tensor.shape
    if shape.rank is not None and not shape.is_compatible_with(expected):
        axes = (
            "[batch, x, y, z]" if len(expected) == 4 else "[batch, x, y, z, channels]"
        )
        raise ValueError(f"{name} must have shape {axes} {expected}, got {shape}")


def _evaluation_seeds(image):
    """The same seed for every example: its score does not depend on its batch."""
    return tf.zeros(tf.shape(image)[:1], tf.int32)


def _compiles_by_default():
    devices = tf.config.list_physical_devices()
    return any(device.device_type in ("GPU", "TPU") for device in devices)
