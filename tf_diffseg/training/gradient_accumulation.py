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

    def part(number):
        return gradients_of(tf.nest.map_structure(lambda values: values[number], batch))

    # The first part is outside the loop, which needs the structure of the sums.
    gradients, losses = part(tf.constant(0))
    collected = {
        name: tf.TensorArray(
            values.dtype, num_parts, element_shape=values.shape, clear_after_read=False
        ).write(0, values)
        for name, values in losses.items()
    }

    def add_part(number, gradients, collected):
        more, losses = part(number)
        gradients = [total + each for total, each in zip(gradients, more, strict=True)]
        collected = {
            name: array.write(number, losses[name]) for name, array in collected.items()
        }
        return number + 1, gradients, collected

    _, gradients, collected = tf.while_loop(
        lambda number, *_: number < num_parts,
        add_part,
        (tf.constant(1), gradients, collected),
        parallel_iterations=1,  # Two parts at a time would take the memory of two.
    )
    losses = {
        name: tf.reshape(array.stack(), [-1]) for name, array in collected.items()
    }
    return gradients, losses


def _in_parts(values, num_parts):
    """Reshapes [batch, ...] to [parts, batch / parts, ...]."""
    batch_size = values.shape[0]
    size = None if batch_size is None else batch_size // num_parts
    shape = tf.concat([[num_parts, -1], tf.shape(values)[1:]], axis=0)
    return tf.ensure_shape(
        tf.reshape(values, shape), [num_parts, size, *values.shape[1:]]
    )
