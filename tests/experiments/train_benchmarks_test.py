"""The benchmarks of a training step: what they count, on networks that are small."""

import pytest
import tensorflow as tf

from experiments.benchmarks import train_memory
from tf_diffseg.errors import InputError
from tf_diffseg.training.flops import graph_flops
from tf_diffseg.training.graph_memory import peak_bytes


@pytest.mark.parametrize("limit", [8, 40, 96, 104, 150, 600])
def test_the_largest_side_is_the_last_that_fits(limit):
    asked = []

    def peak_of(side):
        asked.append(side)
        return float(side) if side <= limit else None

    assert train_memory.largest_side(peak_of) == (limit // 8 * 8, limit // 8 * 8.0)
    assert len(set(asked)) == len(asked) < 16


def test_nothing_fits():
    assert train_memory.largest_side(lambda side: None) == (0, 0.0)


def test_more_memory_than_there_is_is_refused():
    with pytest.raises(InputError, match="--memory_gib=1e.06: this machine has"):
        train_memory.run(1e6)


def test_a_process_that_grows_beyond_the_limit_is_ended():
    assert train_memory.step_peak_mib((16, 16, 16), False, limit_mib=200) is None


def test_a_gradient_costs_two_more_forward_passes():
    kernel = tf.Variable(tf.ones([3, 3, 3, 2, 4]))

    @tf.function
    def forward(x):
        return tf.nn.conv3d(x, kernel, [1] * 5, "SAME")

    @tf.function
    def with_gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(forward.python_function(x) ** 2)
        return tape.gradient(y, [x, kernel])

    spec = tf.TensorSpec([2, 5, 6, 7, 2])
    once = graph_flops(forward.get_concrete_function(spec).graph)
    assert once == 2 * (2 * 5 * 6 * 7) * (27 * 2 * 4)
    assert graph_flops(with_gradients.get_concrete_function(spec).graph) == 3 * once


def test_tensors_are_held_until_they_are_last_taken():
    @tf.function
    def chain(x):
        for _ in range(5):
            x = tf.reshape(tf.nn.relu(x), [10, 100])
        return x

    @tf.function
    def all_kept(x):
        kept = [tf.nn.relu(x) for _ in range(5)]
        return tf.add_n(kept)

    spec = tf.TensorSpec([10, 100])
    size = 4 * 1000
    # An operation's input and output; a reshape takes none of its own, and the last
    # of five outputs is there before the input goes.
    assert peak_bytes(chain.get_concrete_function(spec).graph) == 2 * size
    assert peak_bytes(all_kept.get_concrete_function(spec).graph) == 6 * size


def test_a_loop_counts_each_round_and_holds_one():
    @tf.function(autograph=False)
    def loop(x):
        def body(index, x):
            product = tf.linalg.matmul(x, x, transpose_b=True)
            return index + 1, tf.nn.relu(x) * product[0, 0] + x

        return tf.while_loop(
            lambda index, _: index < 7, body, (0, x), maximum_iterations=7
        )[1]

    graph = loop.get_concrete_function(tf.TensorSpec([10, 100])).graph
    size = 4 * 1000
    assert graph_flops(graph) == 7 * 2 * 10 * 100 * 10
    # What goes into the loop, what comes out of it, and two of that size inside.
    assert 4 * size <= peak_bytes(graph) <= 4 * size + 500
