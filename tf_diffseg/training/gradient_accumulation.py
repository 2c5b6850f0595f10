"""Gradients of a batch that does not fit into memory at once."""

import tensorflow as tf


def accumulate_gradients(gradients_of, batch, num_parts):
    """Sums gradients over equal parts of a batch, processed one after the other.

    Keras's own `gradient_accumulation_steps` cannot be used: under MirroredStrategy it
    merges replicas inside a condition, which TensorFlow refuses, and averages of
    weights and learning rates would count parts as steps.

    Args:
        gradients_of: function (part of the batch) to (list of gradients, dict of
            losses [part of the batch]).
        batch: tensors [batch, ...], in tuples of any depth.
        num_parts: number of parts; divides the batch, see `replica_share.fill_up`.

    Returns:
        (list of summed gradients, dict of losses [batch]).
    """
    if num_parts == 1:
        return gradients_of(batch)
    batch = tf.nest.map_structure(lambda values: _in_parts(values, num_parts), batch)

    # Calls of one function: TensorFlow traces it once. It keeps less memory than a
    # `tf.while_loop`, which at 96 cubed takes nearly what the whole batch would.
    @tf.function(autograph=False, experimental_attributes={"_noinline": True})
    def part(number):
        return gradients_of(tf.nest.map_structure(lambda values: values[number], batch))

    gradients, losses = part(tf.constant(0))
    all_losses = [losses]
    for number in range(1, num_parts):
        # One part at a time: several would take the memory of several.
        with tf.control_dependencies([each for each in gradients if each is not None]):
            more, losses = part(tf.constant(number))
        gradients = [
            _sum(each, other) for each, other in zip(gradients, more, strict=True)
        ]
        all_losses.append(losses)
    return gradients, {
        name: tf.concat([losses[name] for losses in all_losses], axis=0)
        for name in all_losses[0]
    }


def _sum(gradient, more):
    """Sum of two gradients; None for a weight that the loss does not depend on."""
    return None if gradient is None else gradient + more


def _in_parts(values, num_parts):
    """Reshapes [batch, ...] to [parts, batch / parts, ...]."""
    batch_size = values.shape[0]
    size = None if batch_size is None else batch_size // num_parts
    shape = tf.concat([[num_parts, -1], tf.shape(values)[1:]], axis=0)
    return tf.ensure_shape(
        tf.reshape(values, shape), [num_parts, size, *values.shape[1:]]
    )
