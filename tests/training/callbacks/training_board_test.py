"""Values in TensorBoard's files."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.toys import batch_of_step, toy_model, validation_batches
from tf_diffseg.training.callbacks.segmentation_images import SegmentationImages
from tf_diffseg.training.fit import fit
from tf_diffseg.training.optimizer import KernelDecayAdamW

EPOCHS, STEPS = 2, 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder of a run, what was drawn as (name, probabilities), the model)."""
    folder = tmp_path_factory.mktemp("run")
    model = toy_model(
        KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.5), num_classes=3
    )
    drawn = []

    def draw(name, image, label, probabilities):
        assert image.shape == (4, 4, 4, 1) and label.shape == (4, 4, 4)
        drawn.append((name, probabilities))
        return np.full([6, 8, 3], 10 * len(drawn), np.uint8)

    case = {name: value[0].numpy() for name, value in batch_of_step(0, 3).items()}
    fit(
        model,
        lambda epoch, step, context: validation_batches(99, num_classes=3),
        folder,
        EPOCHS,
        STEPS,
        2,
        validation_dataset=validation_batches(2, num_classes=3),
        callbacks=[
            SegmentationImages(
                folder / "logs", {"a_case": (case["image"], case["label"])}, draw
            )
        ],
    )
    return folder, drawn, model


def _events(folder):
    # Summaries of TensorFlow 2 are tensors, scalars among them.
    return EventAccumulator(str(folder), {"tensors": 0}).Reload()


def _values(events, tag):
    return [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]


def test_losses_learning_rate_gradient_and_rate(run):
    folder, _, _ = run
    train = _events(folder / "logs" / "train")
    tags = set(train.Tags()["tensors"])
    expected = {"loss", "dice_loss", "cross_entropy", "learning_rate", "gradient_norm"}
    expected |= {"examples_per_second"}
    assert {f"epoch_{name}" for name in expected} <= tags
    assert any(tag.startswith("epoch_loss_t") for tag in tags)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    for name in ("loss", "gradient_norm"):
        written = _values(train, f"epoch_{name}")
        np.testing.assert_allclose(written, [line[name] for line in lines], rtol=1e-6)
    assert min(_values(train, "epoch_gradient_norm")) > 0.0
    assert min(_values(train, "epoch_examples_per_second")) > 0.0
    np.testing.assert_allclose(_values(train, "epoch_learning_rate"), 1e-2, rtol=1e-6)
    for tag in tags:
        assert np.isfinite(_values(train, tag)).all(), tag


def test_dice_of_each_class_and_reverse_step(run):
    folder, _, _ = run
    validation = _events(folder / "logs" / "validation")
    tags = set(validation.Tags()["tensors"])
    names = {"dice", "dice_class_1", "dice_class_2"}
    names |= {f"dice_step_{step}" for step in range(1, 6)}
    assert {f"epoch_{name}" for name in names} <= tags
    last_step = _values(validation, "epoch_dice_step_5")
    np.testing.assert_allclose(last_step, _values(validation, "epoch_dice"), rtol=1e-6)


def test_pictures_of_each_validation_by_the_averaged_weights(run):
    folder, drawn, model = run
    validation = _events(folder / "logs" / "validation")
    pictures = validation.Tensors("a_case")
    assert [picture.step for picture in pictures] == list(range(EPOCHS))
    # (width, height, PNG)
    width, height, png = tf.make_ndarray(pictures[1].tensor_proto)
    assert (int(width), int(height)) == (8, 6)
    assert (tf.io.decode_png(png).numpy() == 20).all()
    # `fit` ends with the averages in place, which the last validation was by.
    image = batch_of_step(0, 3)["image"][:1]
    sampled = model.sample(image, tf.zeros([1], tf.int32))[0]
    np.testing.assert_allclose(drawn[-1][1], sampled, rtol=1e-4, atol=1e-5)
    assert np.abs(drawn[0][1] - drawn[1][1]).max() > 1e-3
