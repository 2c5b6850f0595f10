"""Errors of too little memory, in one line."""

import contextlib

from tf_diffseg.errors import InputError


@contextlib.contextmanager
def named_memory_errors(name):
    """Turns an error of too little memory into an InputError.

    Args:
        name: name of the scan or the case, for the message.

    Raises:
        InputError: NumPy or TensorFlow got no memory.
    """
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        reason = (" ".join(str(error).split()) or "out of memory")[:200]
        raise InputError(
            f"{name} does not fit in memory with this model: {reason}; a smaller "
            "`batch_size`, `num_samples` or `window_shape` takes less"
        ) from error
