"""The optimizer and its learning rate."""

import keras
import tensorflow as tf

from tf_diffseg.training.choices import Schedule


@keras.saving.register_keras_serializable(package="tf_diffseg")
class KernelDecayAdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter 2019) that decays only kernels.

    Decay of biases, and of scales and shifts of norms, would limit the network without
    regularizing it. The arguments are those of `keras.optimizers.AdamW`; unlike a call
    of `exclude_from_weight_decay` the choice is saved with the model.

    It uses TensorFlow's fused step, which passes over the weights once.
    """

    def build(self, variables):
        """Makes the variables, and excludes all but kernels from decay."""
        if not self.built:
            others = [variable for variable in variables if variable.name != "kernel"]
            self.exclude_from_weight_decay(var_list=others)
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Adam's step of one variable (Kingma and Ba 2015, arXiv 1412.6980)."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.cast(self.beta_1, variable.dtype) ** step,
            beta2_power=tf.cast(self.beta_2, variable.dtype) ** step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


def _handle(variable):
    """The resource handle of a variable of Keras or TensorFlow."""
    is_of_keras = isinstance(variable, keras.Variable)
    return (variable.value if is_of_keras else variable).handle


def learning_rate_schedule(learning_rate, total_steps, warmup_steps, schedule):
    """Linear rise from 0, then cosine decay to 0 or no change.

    Args:
        learning_rate: the highest rate.
        total_steps: optimizer steps of the run.
        warmup_steps: steps of the rise, at most half of the run's.
        schedule: a `Schedule` or its value.

    Returns:
        A Keras learning rate schedule.
    """
    warmup_steps = min(warmup_steps, total_steps // 2)
    if Schedule(schedule) is Schedule.CONSTANT:
        return keras.optimizers.schedules.PolynomialDecay(
            0.0 if warmup_steps else learning_rate,
            max(warmup_steps, 1),
            learning_rate,
        )
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=total_steps - warmup_steps,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
