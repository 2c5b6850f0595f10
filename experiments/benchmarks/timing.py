"""Timing on a noisy machine."""

import statistics
import time

import tensorflow as tf


def interleaved_medians(functions, repeats):
    """Median time of several functions that take turns.

    Taking turns lets a change in the machine's speed fall on all of them alike.

    Args:
        functions: dict from name to a function of no arguments, which must not
            return before its work is done.
        repeats: timed calls of each, after two that are not timed.

    Returns:
        Dict from name to seconds.
    """
    for function in functions.values():
        function()
        function()
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def matrix_product(size=4096):
    """A float32 matrix product, and the operations it takes.

    Args:
        size: of the square matrices.

    Returns:
        (function of no arguments, floating point operations).
    """
    matrix = tf.random.stateless_normal([size, size], [0, 0])

    @tf.function
    def product():
        return tf.matmul(matrix, matrix)

    # One number is enough to wait for all of them.
    return lambda: product()[0, 0].numpy(), 2 * size**3
