"""Timing on a noisy machine."""

import statistics
import time


def interleaved_medians(functions, repeats, num_warm_ups=2):
    """Median time of several functions that take turns.

    Because they take turns, a change in the machine's speed affects all of them.

    Args:
        functions: dict from name to a function of no arguments, which must not
            return before its work is done.
        repeats: number of timed calls of each.
        num_warm_ups: number of calls of each before, which are not timed.

    Returns:
        Dict from name to seconds.
    """
    for function in functions.values():
        for _ in range(num_warm_ups):
            function()
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def matrix_product(size=4096, dtype="float32"):
    """A product of square matrices, to compare other functions with.

    Args:
        size: rows of a matrix.
        dtype: type of its numbers.

    Returns:
        (function of no arguments, number of floating point operations).
    """
    import tensorflow as tf

    matrix = tf.cast(tf.random.stateless_normal([size, size], [0, 0]), dtype)

    @tf.function
    def product():
        return tf.matmul(matrix, matrix)

    # Reading one number waits for the whole product.
    return lambda: product()[0, 0].numpy(), 2 * size**3
