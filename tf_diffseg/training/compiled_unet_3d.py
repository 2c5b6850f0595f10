"""A Keras model with an optimizer that steps by gradients of a whole batch."""

import keras
import tensorflow as tf

from tf_diffseg.training.distribution.multi_worker import adapt_to_workers
from tf_diffseg.training.distribution.whole_batch import take_whole_gradients
from tf_diffseg.training.keras_unet_3d import KerasUNet3D
from tf_diffseg.training.saving.optimizer_state import (
    build_optimizer,
    numeric_rate,
    trained_places,
)
from tf_diffseg.training.training_checks import check_compile, compiles_with_xla


class CompiledUNet3D(KerasUNet3D):
    """A `KerasUNet3D` whose gradients are those of a whole batch.

    They are summed over the parts of a device's batch and over devices by the train
    step, not by the optimizer.

    Attributes:
        asked_rate: learning rate that `compile` was given, if it is a number.
    """

    def compile(
        self, optimizer="adamw", jit_compile="auto", accumulation_steps=1, **kwargs
    ):
        """Prepares for training, as `keras.Model.compile`.

        Args:
            optimizer: a Keras optimizer or its name.
            jit_compile: whether to compile with XLA, on one device; "auto" does on a
                GPU or TPU.
            accumulation_steps: number of parts of a device's batch, which are
                processed one after the other to take less memory. Gradient and random
                draws are those of the whole batch.
            **kwargs: other arguments of Keras; loss and metrics are built in.

        Raises:
            ValueError: a loss or metrics are given, accumulation_steps is below 1, the
                optimizer accumulates gradients by itself, or several devices are to
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
        """Builds the optimizer before a step is traced, which could fail half-way.

        Keras would take a batch to build it, and expects that its shares are equal.
        """
        del iterator, data_batch
        if not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        """The argument of `compile_from_config`; None before `compile`."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "accumulation_steps": self._accumulation_steps,
            "asked_rate": self.asked_rate,
            "trained": trained_places(self),
        }

    def compile_from_config(self, config):
        """Compiles a loaded model with the optimizer that was saved with it."""
        self.compile(
            keras.saving.deserialize_keras_object(config["optimizer"]),
            accumulation_steps=config.get("accumulation_steps", 1),
        )
        self.asked_rate = config.get("asked_rate", self.asked_rate)
        if "trained" not in config:  # Saved by an earlier version.
            self.optimizer.build(self.trainable_variables)
        elif config["trained"] is not None:
            build_optimizer(self, config["trained"])

    def _apply(self, gradients):
        """Takes a step of the optimizer by the gradients of the trained variables."""
        if not self.optimizer.built:  # `fit` builds it before it traces a step.
            self.optimizer.build(self.trainable_variables)
        with tf.control_dependencies([each for each in gradients if each is not None]):
            # After the gradients, so that a step that fails is not counted.
            self.optimizer.apply_gradients(
                zip(gradients, self.trainable_variables, strict=True)
            )
