"""Compares StreamingDice on two replicas with one; a difference raises an error."""

import tensorflow as tf

from tf_diffseg.metrics import StreamingDice


def _main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    configuration = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, configuration)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        metric = StreamingDice(num_classes=3)
    single = StreamingDice(num_classes=3)
    ground_truth = tf.constant([[0, 1, 1, 0], [0, 1, 1, 2]])
    predicted = tf.constant([[0, 1, 0, 0], [0, 1, 1, 0]])

    @tf.function
    def update(ground_truth, predicted):
        strategy.run(metric.update_state, (ground_truth, predicted))

    dataset = tf.data.Dataset.from_tensor_slices((ground_truth, predicted)).batch(2)
    (batch,) = strategy.experimental_distribute_dataset(dataset)
    for _ in range(2):
        update(*batch)
        single.update_state(ground_truth, predicted)
    for replicated, expected in zip(metric.variables, single.variables, strict=True):
        tf.debugging.assert_near(tf.convert_to_tensor(replicated.value), expected.value)
    tf.debugging.assert_near(metric.result(), single.result())
    tf.debugging.assert_near(metric.per_class(), single.per_class())
    assert metric.absent_counts()[2] == 2.0, metric.absent_counts()


if __name__ == "__main__":
    _main()
