"""How TensorFlow runs the datasets of cases."""

import tensorflow as tf

# No function of a dataset branches on tensors in Python. AutoGraph would need longer to
# convert them than TensorFlow needs to build the graph.
no_autograph = tf.autograph.experimental.do_not_convert


def options():
    """`tf.data.Options` that keep the order of cases and the sums of their voxels."""
    options = tf.data.Options()
    options.deterministic = True
    # Cases are loaded in parallel. Parallel operations too would only cost time and
    # make sums depend on the number of threads.
    options.threading.max_intra_op_parallelism = 1
    return options
