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
from tf_diffseg.diffusion.noise import uniform_per_example
from tf_diffseg.diffusion.respacing import check_whole
from tf_diffseg.diffusion.sampler import Sampler
from tf_diffseg.metrics import StreamingDice
from tf_diffseg.models.dropout import dropout_draws
from tf_diffseg.training.batches.batch import check_image, image_and_label
from tf_diffseg.training.batches.coarse_mask import coarse_mask
from tf_diffseg.training.batches.ignored_voxels import (
    has_labelled_voxels,
    mark_ignored,
    split_ignored,
)
from tf_diffseg.training.class_arguments import (
    check_classes,
    checked_frequencies,
    label_ids,
)
from tf_diffseg.training.compiled_unet_3d import CompiledUNet3D
from tf_diffseg.training.distribution.replica_share import (
    fill_up,
    share_of_replica,
    sum_over_replicas,
)
from tf_diffseg.training.distribution.whole_batch import (
    result_over_replicas,
    sum_gradients,
)
from tf_diffseg.training.gradient_accumulation import accumulate_gradients
from tf_diffseg.training.network_output import initial_bias
from tf_diffseg.training.several_samples import each_sample
from tf_diffseg.training.step_draws import example_seeds, step_seeds
from tf_diffseg.training.training_checks import compiles_with_xla, refuse_hdf5
from tf_diffseg.training.training_loss import TrainingLoss
from tf_diffseg.training.validation_loss import ValidationLoss


class Draws(NamedTuple):
    """Random draws of a training step for each example of a replica.

    Attributes:
        dropout_seeds: int32 [batch].
        weights: float32 [batch], of the losses.
    """

    dropout_seeds: tf.Tensor
    weights: tf.Tensor


@keras.saving.register_keras_serializable(package="tf_diffseg")
class SegmentationUNet3D(CompiledUNet3D):
    """Segments volumes with one forward pass of a U-Net.

    `compile(optimizer)`, then `fit` on pairs (image, label) or dicts with these
    keys, in batches of `image` float [batch, x, y, z, image_channels] and `label`
    int [batch, x, y, z]. `fit` reports the losses and the norm of the gradient.
    `evaluate` reports the mean Dice of the segmentation, that of each class, and its
    `loss`, see `ValidationLoss`; `predict` returns probabilities [batch, x, y, z,
    num_classes].

    The loss is built in. Random draws depend only on (`seed`, optimizer step, place in
    the batch), so a step can be repeated exactly, on any number of devices, whether or
    not they divide the batch evenly.

    Args:
        num_classes: classes, background included unless they overlap.
        image_channels: channels of the image.
        loss: a `TrainingLoss`; by default Dice and cross-entropy.
        regions: label ids of each class if classes overlap, for BraTS
            [[1, 2, 4], [1, 4], [4]]; None for exclusive classes.
        class_frequencies: share of voxels of each class, which the untrained network
            predicts; None if it is not known.
        ignore_label: label of voxels whose class is not known, such as 255: they are
            in no loss and no score; None if each voxel has a class.
        seed: seed of all random draws in training.
        **kwargs: the arguments of `UNet3D` except out_channels and mask_channels.

    Attributes:
        encoding: the `MaskEncoding` of the labels.
        sampler: None; diffusion models have one.

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
        check_whole("seed", seed)
        channels = self._channels(num_classes)
        for name in channels:
            if name in kwargs:
                raise ValueError(f"{name} follows from num_classes, so leave it out")
        super().__init__(image_channels=image_channels, **channels, **kwargs)
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
        # Keras's default would use XLA on a CPU too, where it runs 3D convolutions
        # several times slower than TensorFlow's own kernels.
        self.jit_compile = compiles_with_xla()

    def _channels(self, num_classes):
        """The arguments of `UNet3D` that follow from the classes."""
        return {"out_channels": num_classes, "mask_channels": 0}

    def _build_losses(self):
        has_ignored = self.ignore_label is not None
        self._weighted_losses = self._bound_loss(has_ignored)
        if self.deep_supervision:
            # A coarse mask is unknown where the network pads the volume.
            self._deep_loss = self.training_loss.of_one_pass(self.encoding, True)
        self._validation_loss = ValidationLoss(
            self.training_loss, self.encoding, has_ignored
        )

    def _bound_loss(self, has_ignored):
        return self.training_loss.of_segmentation(self.encoding, has_ignored)

    def _start_from_frequencies(self):
        bias = initial_bias(self.class_frequencies, self.out_channels, self.encoding)
        deep = (f"deep_{level}_head" for level in range(1, self.deep_supervision + 1))
        for name in ("head", *deep):
            self.get_layer(name).bias.assign(bias)

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
        self._apply(gradients)

        losses = {name: values[: share.size] for name, values in losses.items()}
        self._observe_losses(losses, draws, counted, share)
        return result_over_replicas(self.metrics, self._loss_results)

    def _draw(self, seeds, share):
        """Random draws of a step for this replica's examples."""
        return Draws(example_seeds(seeds.dropout, share), tf.ones([share.size]))

    def _gradients_and_losses(self, num_counted, batch):
        """Gradients and losses of a part of a batch in which `num_counted` count."""
        image, mask, draws = batch
        with tf.GradientTape() as tape:
            losses = self._example_losses(image, mask, draws)
            # Its sum over parts and replicas is the mean over the batch.
            loss = tf.reduce_sum(draws.weights * losses["loss"])
            loss = tf.math.divide_no_nan(loss, num_counted)
            scaled_loss = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled_loss, self.trainable_variables), losses

    def _example_losses(self, image, mask, draws):
        """Dict from the names of losses to their values for each example."""
        logits, deep_logits = run_network(
            self.with_deep_logits, image, dropout_seeds=draws.dropout_seeds
        )
        losses = self._weighted_losses(mask, logits)
        return self._with_deep_losses(losses, mask, deep_logits)

    def _with_deep_losses(self, losses, mask, deep_logits):
        """Losses whose sum is a mean over resolutions, each half as much as the finer.

        The parts of the sum stay those of the finest, whose sum is `finest`.
        """
        finest = total = losses["loss"]
        weight = weights = 1.0
        for factor, logits in zip(self.deep_factors, deep_logits, strict=True):
            coarse = coarse_mask(mask, factor, self.shape_multiple)
            of_level = self._deep_loss(coarse, logits[..., : self.num_classes])
            weight /= 2.0
            weights += weight
            total += weight * of_level["loss"]
        return losses | {"loss": total / weights, "finest": finest}

    def _observe_norm(self, gradients):
        """Updates the mean norm, unless the scaled gradient is not finite."""
        gradients = [each for each in gradients if each is not None]
        norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        is_finite = tf.math.is_finite(norm)
        self._gradient_norm.update_state(
            tf.where(is_finite, norm, 0.0), sample_weight=tf.cast(is_finite, tf.float32)
        )

    def _observe_losses(self, losses, draws, counted, share):
        """Updates the mean losses with this replica's examples."""
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
        """Finds the examples with a voxel that is not ignored; only they count.

        Returns:
            (float [share.size], 1 or 0, or None if all count; their number over all
            replicas).
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
        """Probabilities for `test_step`."""
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
            seed: int [batch], or [batch, samples] for several samples, which are all
                the same, since nothing is random.

        Returns:
            Probabilities, float32 [batch, x, y, z, num_classes], or for several
            samples [batch, x, y, z, samples, num_classes].
        """
        logits = run_network(self, {"image": image})
        probabilities = logits_to_probabilities(logits, self.encoding)
        return each_sample(lambda _: probabilities, seed)

    def sample_trajectory(self, image, seed):
        """Segments as `sample`, and returns the prediction of each step.

        Returns:
            Probabilities of `sample` with a leading axis of the steps, float32
            [num_steps, batch, ...]; the last are those of `sample`.
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
        # Without a voxel of a known class the scores are unknown.
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
        """Names of the values of `evaluate`, in its order."""
        return ["loss", "dice", *self._dice_names]

    def get_metrics_result(self):
        """The losses, or the Dice while `evaluate` runs, over all replicas.

        Keras reports them in place of the last step's results of the same names.
        """
        return self._dice_results() if self._is_evaluating else self._loss_results()

    def get_config(self):
        """Constructor arguments; raises ValueError if they are for an HDF5 file."""
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

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Makes a network of a preset.

        Args:
            preset: name of `tf_diffseg.presets()`; folder that `save_to_preset` has
                written; or another source of `tf_diffseg.load_pretrained`.
            load_weights: False for the network of the preset with initial weights.
            **kwargs: arguments of the constructor that are to differ from the
                preset's, such as num_classes. Weights that then do not fit have their
                initial values; there is a warning if they are of other layers than
                the first and last. `tf_diffseg.init_from` says which.

        Returns:
            A network of this class; compile it before you train it.

        Raises:
            ValueError: there is no such preset, it is damaged or of another class, or
                an argument is unknown or out of range. `tf_diffseg.load_pretrained`
                loads a network of either class.
        """
        from tf_diffseg.training.saving.presets import load_preset

        return load_preset(cls, preset, load_weights, kwargs)

    def save_to_preset(self, preset_dir):
        """Writes the network into a folder, from which `from_preset` loads it.

        Args:
            preset_dir: the folder, made if it is missing. A preset in it is replaced
                as a whole: the new one has no classes and no preprocessing.
                `tf_diffseg.save_to_preset` also writes these, which `load_segmenter`
                needs.

        Raises:
            ValueError: the folder holds something else than a preset, or something
                cannot be written.
        """
        from tf_diffseg.training.saving.presets import save_preset

        save_preset(self, preset_dir)


def run_network(network, *inputs, dropout_seeds=None):
    """Runs a network, or a part of one, with dropout if there are seeds for it.

    Args:
        network: function of the inputs and `training`.
        *inputs: its inputs.
        dropout_seeds: int32 [batch] in training, None otherwise.
    """
    if dropout_seeds is None:
        return network(*inputs, training=False)
    with dropout_draws(functools.partial(uniform_per_example, dropout_seeds)):
        return network(*inputs, training=True)


def same_seeds(image):
    """The same seed for every example, so its score does not depend on its batch."""
    return tf.zeros(tf.shape(image)[:1], tf.int32)
