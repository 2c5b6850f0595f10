"""Loops in a graph, such as that of attention in chunks."""

import tensorflow as tf


def loop_body(operation):
    """The graph of one round of a loop, or None if the operation is no loop."""
    if operation.type not in ("While", "StatelessWhile"):
        return None
    name = operation.get_attr("body").name
    return operation.graph._get_function(name).graph


def num_rounds(operation):
    """How often a loop runs: what limits it when the graph is made, or else 1."""
    most = tf.get_static_value(operation.inputs[1])
    return 1 if most is None or most < 0 else int(most)
