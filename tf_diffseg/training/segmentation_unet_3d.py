"""A 3D U-Net that trains and segments: the supervised network."""

import functools
import math
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import (
    MaskEncoding,
    label_to_mask,
    label_to_region_mask,
    logits_to_probabilities,
)
from tf_diffseg.diffusion.model_parameterization import ModelOutput
from tf_diffseg.diffusion.noise import uniform_volume_per_example
from tf_diffseg.diffusion.sampler import Sampler
from tf_diffseg.metrics import StreamingDice
from tf_diffseg.models.dropout import dropout_draws
from tf_diffseg.training.batches.batch import check_image, image_and_label
from tf_diffseg.training.batches.ignored_voxels import (
    has_labelled_voxels,
    mark_ignored,
    split_ignored,
)
from tf_diffseg.training.batches.label_check import checked_data, plain_errors
from tf_diffseg.training.class_arguments import (
    check_classes,
    checked_frequencies,
    label_ids,
)
from tf_diffseg.training.distribution.multi_worker import adapt_to_workers
from tf_diffseg.training.distribution.replica_share import (
    fill_up,
    share_of_replica,
    sum_over_replicas,
)
from tf_diffseg.training.distribution.whole_gradients import (
    sum_gradients,
    take_whole_gradients,
)
from tf_diffseg.training.distribution.whole_results import result_over_replicas
from tf_diffseg.training.gradient_accumulation import accumulate_gradients
from tf_diffseg.training.keras_unet_3d import KerasUNet3D
from tf_diffseg.training.network_output import initial_bias
from tf_diffseg.training.saving.optimizer_state import (
    build_optimizer,
    numeric_rate,
    trained_places,
)
from tf_diffseg.training.step_draws import example_seeds, step_seeds
from tf_diffseg.training.training_checks import (
    check_compile,
    compiles_with_xla,
    refuse_hdf5,
)
from tf_diffseg.training.training_loss import TrainingLoss
from tf_diffseg.training.validation_loss import ValidationLoss


class Draws(NamedTuple):
    """What a training step draws for each example of a replica.

    Attributes:
        dropout_seeds: int32 [batch].
        weights: float32 [batch], of the losses.
    """

    dropout_seeds: tf.Tensor
    weights: tf.Tensor


@keras.saving.register_keras_serializable(package="tf_diffseg")
class SegmentationUNet3D(KerasUNet3D):
    """Segments volumes with one forward pass of a U-Net.

    `compile(optimizer)`, then `fit` on pairs (image, label) or dicts with these
    keys, in batches of `image` float [batch, x, y, z, image_channels] and `label`
    int [batch, x, y, z]. `fit` reports the losses and the norm of the gradient.
    `evaluate` reports the Dice of the segmentation, of each class as well, and its
    `loss`, see `ValidationLoss`; `predict` gives probabilities [batch, x, y, z,
    num_classes].

    The loss is built in. What a step draws depends on (`seed`, optimizer step, place
    in the batch), so it can be repeated exactly, on any number of devices, whether or
    not they divide the batch evenly.

    Args:
        num_classes: classes, background included unless they overlap.
        image_channels: channels of the image.
        loss: a `TrainingLoss`; by default Dice and cross-entropy.
        regions: where classes overlap, the label ids that each is made of, for BraTS
            [[1, 2, 4], [1, 4], [4]]; None for exclusive classes.
        class_frequencies: share of voxels of each class, where training starts from
            rather than from classes that are all alike; None where it is not known.
        ignore_label: label of voxels whose class is not known, such as 255: they are
            in no loss and no score; None where each voxel has a class.
        seed: of all that training draws.
        **kwargs: the arguments of `UNet3D` but mask_channels; out_channels is
            num_classes unless it is given.

    Attributes:
        encoding: the `MaskEncoding` of the labels.
        sampler: None; diffusion models have one.
        asked_rate: learning rate that `compile` was asked for, where it is a number.

    Raises:
        ValueError: an argument is out of its range; the message names it.

    Example:
        >>> model = SegmentationUNet3D(num_classes=3, num_channels=(4, 8), num_heads=1)
        >>> model.compile("adamw")
        >>> model.predict(np.zeros([1, 8, 8, 8, 1], np.float32), verbose=0).shape
        (1, 8, 8, 8, 3)
    """

    sampler: Sampler | None = None

    def __init__(
        self,
        num_classes,
        image_channels=1,
        loss=None,
        regions=None,
        class_frequencies=None,
        ignore_label=None,
        seed=0,
        **kwargs,
    ):
        check_classes(num_classes, regions)
        kwargs.setdefault("out_channels", num_classes)
        super().__init__(image_channels=image_channels, **kwargs)
        self.num_classes = num_classes
        self.training_loss = TrainingLoss.get(loss)
        self.regions = None if regions is None else [list(ids) for ids in regions]
        self._label_ids = label_ids(num_classes, self.regions, ignore_label)
        self.ignore_label = self._label_ids.ignore_label
        self.encoding = (
            MaskEncoding.EXCLUSIVE if regions is None else MaskEncoding.OVERLAPPING
        )
        self.class_frequencies = checked_frequencies(class_frequencies, num_classes)
        self.seed = seed
        self._build_losses()
        self._build_metrics()
        if self.class_frequencies is not None:
            self._start_from_frequencies()
        # What Keras chooses for itself runs 3D convolutions under XLA on a CPU,
        # several times slower than TensorFlow's own kernels.
        self.jit_compile = compiles_with_xla()

    def _build_losses(self):
        has_ignored = self.ignore_label is not None
        self._weighted_losses = self._bound_loss(has_ignored)
        self._validation_loss = ValidationLoss(
            self.training_loss, self.encoding, has_ignored
        )

    def _bound_loss(self, has_ignored):
        return self.training_loss.of_segmentation(self.encoding, has_ignored)

    def _start_from_frequencies(self):
        bias = initial_bias(self.class_frequencies, self.out_channels, self.encoding)
        self.get_layer("head").bias.assign(bias)

    @property
    def _kind_of_dice(self):
        overlaps = not self.encoding.is_exclusive
        return {"include_background": overlaps, "from_masks": overlaps}

    def _build_metrics(self):
        self._loss_means = {
            name: keras.metrics.Mean(name=name) for name in self._weighted_losses.names
        }
        self._gradient_norm = keras.metrics.Mean(name="gradient_norm")
        self._dice = StreamingDice(self.num_classes, **self._kind_of_dice)
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
        several = self.distribute_strategy.num_replicas_in_sync > 1
        check_compile(optimizer, jit_compile, accumulation_steps, several, kwargs)
        self._accumulation_steps = accumulation_steps
        if jit_compile == "auto":
            jit_compile = compiles_with_xla() and not several
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        adapt_to_workers(self)
        self.asked_rate = numeric_rate(self.optimizer)
        with self.distribute_strategy.scope():
            take_whole_gradients(self.optimizer)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds what Keras builds by a batch, whose shares it expects to be equal.

        The network itself is there since it was made. The optimizer is built before a
        step is traced: one that fails would leave it half built.
        """
        del iterator, data_batch
        if not self.optimizer.built:
            with self.distribute_strategy.scope():
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
        draws = self._draw(step_seeds(self.seed, self.optimizer.iterations), share)
        counted, num_counted = self._counted_examples(mask, share)

        gradients, losses = accumulate_gradients(
            functools.partial(self._gradients_and_losses, num_counted),
            fill_up((image, mask, draws), self._accumulation_steps),
            self._accumulation_steps,
        )
        gradients = sum_gradients(gradients)
        self._observe_norm(gradients)
        with tf.control_dependencies([each for each in gradients if each is not None]):
            # After the gradients, so that a step that fails is not counted as taken.
            self.optimizer.apply_gradients(
                zip(gradients, self.trainable_variables, strict=True)
            )

        losses = {name: values[: share.size] for name, values in losses.items()}
        self._observe_losses(losses, draws, counted, share)
        return result_over_replicas(self.metrics, self._loss_results)

    def _draw(self, seeds, share):
        """What a step draws for this replica's examples."""
        return Draws(example_seeds(seeds.dropout, share), tf.ones([share.size]))

    def _gradients_and_losses(self, num_counted, batch):
        """Those of a part of a batch of which `num_counted` examples count."""
        image, mask, draws = batch
        with tf.GradientTape() as tape:
            losses = self._example_losses(image, mask, draws)
            # The mean over the batch, once the parts and the replicas are summed.
            loss = tf.reduce_sum(draws.weights * losses["loss"])
            loss = tf.math.divide_no_nan(loss, num_counted)
            scaled_loss = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled_loss, self.trainable_variables), losses

    def _example_losses(self, image, mask, draws):
        """Losses of each example of a part of a batch, by name."""
        network_out = run_network(
            self, {"image": image}, dropout_seeds=draws.dropout_seeds
        )
        return self._weighted_losses(mask, network_out)

    def _observe_norm(self, gradients):
        """Takes in the gradient's norm, unless the loss was scaled by too much."""
        gradients = [each for each in gradients if each is not None]
        norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        is_finite = tf.math.is_finite(norm)
        self._gradient_norm.update_state(
            tf.where(is_finite, norm, 0.0), sample_weight=tf.cast(is_finite, tf.float32)
        )

    def _observe_losses(self, losses, draws, counted, share):
        """Takes in the losses of this replica's examples."""
        del share
        for name, metric in self._loss_means.items():
            metric.update_state(draws.weights * losses[name], counted)

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

    def test_step(self, data):
        """Segments images and scores the result with Dice and a loss."""
        image, mask = self._image_and_mask(data)
        is_real = tf.ones(tf.shape(image)[:1])
        image, mask, is_real = fill_up((image, mask, is_real))
        probabilities = self._validated(image, mask, is_real)
        self._score(self._dice, mask, probabilities, is_real)
        losses, weights = self._validation_loss(mask, probabilities)
        weights = is_real if weights is None else is_real * weights
        self._loss_means["loss"].update_state(losses, weights)
        return result_over_replicas(self.metrics, self._dice_results)

    def _validated(self, image, mask, is_real):
        """Probabilities of a batch that is scored."""
        del mask, is_real
        return self.sample(image, same_seeds(image))

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
        """Probabilities of images, or of dicts with `image` and `seed`."""
        data = data[0] if isinstance(data, tuple) else data
        data = data if isinstance(data, dict) else {"image": data}
        image = check_image(
            data["image"], self.image_channels, asserts=not self.jit_compile
        )
        size = tf.shape(image)[0]
        image, seed = fill_up((image, data.get("seed", same_seeds(image))))
        return self.sample(image, seed)[:size]

    def sample(self, image, seed):
        """Segments images.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch]; nothing is drawn, so it has no part.

        Returns:
            Probabilities, float32 [batch, x, y, z, num_classes].
        """
        del seed
        logits = run_network(self, {"image": image})
        return logits_to_probabilities(logits, self.encoding)

    def sample_trajectory(self, image, seed):
        """As `sample`, for what was predicted at each step.

        Args:
            image: float [batch, x, y, z, image_channels].
            seed: int [batch].

        Returns:
            Probabilities, float32 [num_steps, batch, x, y, z, num_classes], the last
            those of `sample`.
        """
        return self.sample(image, seed)[tf.newaxis]

    @property
    def model_output(self):
        """The `ModelOutput` that the last layer stands for."""
        return ModelOutput.X_START

    @property
    def num_steps(self):
        """Forward passes of `sample`, each with a prediction."""
        return 1

    def _loss_results(self):
        results = {name: metric.result() for name, metric in self._loss_means.items()}
        results["gradient_norm"] = self._gradient_norm.result()
        return results

    def _dice_results(self):
        # Where no voxel has a known class, nothing is known of the model either.
        is_known = tf.convert_to_tensor(self._loss_means["loss"].count) > 0.0
        scores = self._scores().items()
        return {name: tf.where(is_known, score, math.nan) for name, score in scores}

    def _scores(self):
        per_class = tf.unstack(self._dice.per_class())[-len(self._dice_names) :]
        by_name = dict(zip(self._dice_names, per_class, strict=True))
        loss = self._loss_means["loss"].result()
        return {"loss": loss, "dice": self._dice.result(), **by_name}

    @property
    def _dice_names(self):
        first = 1 if self.encoding is MaskEncoding.EXCLUSIVE else 0  # The background.
        return [f"dice_class_{class_id}" for class_id in range(first, self.num_classes)]

    @property
    def metrics_names(self):
        """Names of what `evaluate` gives, in its order."""
        return ["loss", "dice", *self._dice_names]

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """Trains, as `keras.Model.fit`; raises ValueError for labels of other ids."""
        x, y = self._checked(image_and_y(x, y))
        if validation_data is not None:
            validation_data = self._checked(validation_data)
        with plain_errors():
            return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Samples and scores, as `keras.Model.evaluate`; see `fit`."""
        if not kwargs.get("_use_cached_eval_dataset"):  # Looked at by `fit`.
            x, y = self._checked(image_and_y(x, y))
        self._is_evaluating = True
        try:
            with plain_errors():
                return super().evaluate(x, y, *args, **kwargs)
        finally:
            self._is_evaluating = False

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """Takes one step, as `keras.Model.train_on_batch`; see `fit`."""
        x, y = self._checked((x, y))
        with plain_errors():
            return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """Scores one batch, as `keras.Model.test_on_batch`; see `fit`."""
        x, y = self._checked((x, y))
        with plain_errors():
            return super().test_on_batch(x, y, *args, **kwargs)

    def _checked(self, data):
        return checked_data(data, self._label_ids, asserts=not self.jit_compile)

    def get_metrics_result(self):
        """The losses, or the Dice while `evaluate` runs.

        Keras reports these instead of what the last step returned where the names
        agree. They are read across replicas, a step's are those of its replicas.
        """
        return self._dice_results() if self._is_evaluating else self._loss_results()

    def get_config(self):
        """Constructor arguments; raises ValueError where an HDF5 file wants them."""
        refuse_hdf5()
        config = super().get_config()
        del config["out_channels"], config["mask_channels"]
        return config | {
            "num_classes": self.num_classes,
            "loss": keras.saving.serialize_keras_object(self.training_loss),
            "regions": self.regions,
            "class_frequencies": self.class_frequencies,
            "ignore_label": self.ignore_label,
            "seed": self.seed,
        }


def run_network(network, *inputs, dropout_seeds=None):
    """Runs a network, or a part of one, with dropout if there are seeds for it.

    Args:
        network: function of the inputs and `training`.
        *inputs: what it takes.
        dropout_seeds: int32 [batch] in training, None otherwise.
    """
    if dropout_seeds is None:
        return network(*inputs, training=False)
    with dropout_draws(functools.partial(uniform_volume_per_example, dropout_seeds)):
        return network(*inputs, training=True)


def image_and_y(x, y):
    """X and y, of which x may be a dict of the image alone."""
    is_alone = isinstance(x, dict) and y is not None
    return (x.get("image") if is_alone else x), y


def same_seeds(image):
    """The same seed for every example: its score does not depend on its batch."""
    return tf.zeros(tf.shape(image)[:1], tf.int32)
