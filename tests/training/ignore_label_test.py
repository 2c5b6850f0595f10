import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    SMALL,
    arrays,
    assert_close,
    assert_equal,
    toy_model,
    toy_volumes,
)
from tf_diffseg.diffusion import GaussianDiffusion, MaskEncoding
from tf_diffseg.metrics import dice_score, dice_score_from_masks
from tf_diffseg.training.batches.ignored_voxels import (
    UNKNOWN,
    known_x_start,
    mark_ignored,
    split_ignored,
)
from tf_diffseg.training.diffusion_unet_3d import DiffusionDraws, DiffusionUNet3D
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.training_loss import TrainingLoss

IGNORED = 255
ARGUMENTS = [
    {},
    {"strategy": "supervised"},
    {"strategy": "diffusion", "model_output": "noise"},
    {"strategy": "self_conditioning", "focal_weight": 1.0, "dice_weight": 0.0},
    {"model_variance": "learned_range", "variational_weight": 0.01},
    {"timestep_sampling": "loss"},
    {"regions": [[1, 2], [2], [1]]},
]


def _model(**arguments):
    return toy_model(keras.optimizers.SGD(1.0), 3, **arguments)


def _data(num_examples=2, ignored_share=0.0):
    image, label = toy_volumes(num_examples)
    is_ignored = np.random.default_rng(1).random(label.shape) < ignored_share
    return image, np.where(is_ignored, IGNORED, label)


def _step(model, image, label):
    """Results of one step, and the weights after it."""
    model.reset_metrics()
    batch = {"image": tf.constant(image), "label": tf.constant(label)}
    results = model.train_step(batch)
    return {name: float(value) for name, value in results.items()}, model.get_weights()


def _assert_same_step(ours, theirs):
    np.testing.assert_equal(ours[0], theirs[0])
    assert_equal(ours[1], theirs[1])


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_where_nothing_is_ignored_nothing_changes(arguments):
    data = _data()
    plain, with_label = _model(**arguments), _model(ignore_label=IGNORED, **arguments)
    _assert_same_step(_step(plain, *data), _step(with_label, *data))


@pytest.mark.parametrize(
    "arguments",
    [
        ARGUMENTS[0],
        *(pytest.param(each, marks=pytest.mark.slow) for each in ARGUMENTS[1:]),
    ],
    ids=str,
)
def test_any_value_may_mark_ignored_voxels(arguments):
    image, label = _data(ignored_share=0.4)

    def step(value):
        marked = np.where(label == IGNORED, value, label)
        return _step(_model(ignore_label=value, **arguments), image, marked)

    expected = step(IGNORED)
    for value in (3, -1):
        _assert_same_step(step(value), expected)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_an_example_that_is_ignored_counts_for_nothing(arguments):
    image, label = _data()
    label[1] = IGNORED
    model = _model(ignore_label=IGNORED, **arguments)
    before = arrays(model.weights)
    results, after = _step(model, image, label)
    assert np.isfinite(results["loss"])
    if model.sampler:  # The loss of one time step was seen.
        assert np.sum(model._loss_by_step.variables[1]) == 1
    if arguments.get("timestep_sampling") == "loss":
        assert model._loss_counts.numpy().sum() == 1
    # Without noise the other example trains by as much as if it were alone.
    if arguments.get("strategy") == "supervised":
        alone, weights = _step(
            _model(ignore_label=IGNORED, **arguments), image[:1], label[:1]
        )
        assert results["loss"] == pytest.approx(alone["loss"], rel=1e-6)
        found, expected = (
            [value - start for value, start in zip(values, before, strict=True)]
            for values in (after, weights)
        )
        assert_close(found, expected)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_a_batch_that_is_ignored_changes_nothing(arguments):
    image, label = _data(ignored_share=2.0)
    model = _model(ignore_label=IGNORED, **arguments)
    before = arrays(model.weights)
    results, after = _step(model, image, label)
    assert results["loss"] == 0.0
    assert int(model._loss_means["loss"].count) == 0
    assert_equal(after, before)


@pytest.mark.parametrize("encoding", list(MaskEncoding))
@pytest.mark.parametrize(
    "diffusion, weights",
    [
        (None, {"focal_weight": 1.0}),
        ({"model_output": "noise"}, {"variational_weight": 1.0}),
        ({"model_variance": "learned_range"}, {"variational_weight": 1.0}),
    ],
    ids=["x_start", "noise", "learned_variance"],
)
def test_losses_do_not_see_what_is_predicted_at_ignored_voxels(
    encoding, diffusion, weights
):
    diffusion = diffusion and GaussianDiffusion(5, **diffusion)
    losses_of = TrainingLoss(**weights)
    if diffusion:
        loss = losses_of.of_diffusion(diffusion, encoding, has_ignored=True)
    else:
        loss = losses_of.of_segmentation(encoding, has_ignored=True)
    generator = np.random.default_rng(1)
    _, label = _data(4, ignored_share=0.5)
    mask = mark_ignored(tf.one_hot(label, 3), label, IGNORED)
    is_ignored = (label == IGNORED)[..., np.newaxis]
    channels = 6 if diffusion and diffusion.model_variance.is_learned else 3
    outs = generator.normal(size=[2, *label.shape, channels]).astype(np.float32)
    outs[1] = np.where(is_ignored, 50.0 * outs[1], outs[0])
    x_t = generator.normal(size=[2, *label.shape, 3]).astype(np.float32)
    x_t[1] = np.where(is_ignored, x_t[1], x_t[0])
    t_index = tf.constant([0, 1, 2, 4])
    found, gradients = [], []
    for out, noisy in zip(outs, x_t, strict=True):
        out = tf.constant(out)
        with tf.GradientTape() as tape:
            tape.watch(out)
            context = (tf.constant(noisy), t_index) if diffusion else ()
            losses = loss(mask, out, *context)
            total = tf.reduce_sum(losses["loss"])
        found.append({name: values.numpy() for name, values in losses.items()})
        gradients.append(tape.gradient(total, out).numpy())
    np.testing.assert_equal(found[0], found[1])
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert np.abs(gradients[0]).max() > 0.0
    assert not np.where(is_ignored, gradients[0], 0.0).any()


def test_losses_are_means_over_the_labelled_voxels():
    # They are those of a volume from which the other voxels are cut off.
    _, label = _data(1)
    logits = np.random.default_rng(2).normal(size=[*label.shape, 3]).astype("float32")
    loss = TrainingLoss(focal_weight=1.0)
    half = loss.of_segmentation(MaskEncoding.EXCLUSIVE)
    half = half(tf.one_hot(label[:, :2], 3), logits[:, :2])
    label[:, 2:] = IGNORED
    mask = mark_ignored(tf.one_hot(label, 3), label, IGNORED)
    found = loss.of_segmentation(MaskEncoding.EXCLUSIVE, True)(mask, logits)
    for name, value in half.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_the_noisy_mask_holds_no_truth_where_there_is_none():
    label = tf.constant([[[[0, 1, IGNORED]]]])
    mask = mark_ignored(tf.one_hot(label, 3), label, IGNORED)
    np.testing.assert_array_equal(mask[0, 0, 0, 2], 3 * [UNKNOWN])
    x_start = known_x_start(mask, MaskEncoding.EXCLUSIVE)[0, 0, 0]
    third = -1.0 / 3.0  # A third of each class, in [-1, 1].
    expected = [[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [third, third, third]]
    np.testing.assert_allclose(x_start, expected, atol=1e-6)
    x_start = known_x_start(mask, MaskEncoding.OVERLAPPING)[0, 0, 0]
    np.testing.assert_allclose(x_start[2], [0.0, 0.0, 0.0], atol=1e-6)
    known, is_labelled = split_ignored(mask)
    np.testing.assert_array_equal(is_labelled[0, 0, 0], [True, True, False])
    np.testing.assert_array_equal(
        known[0, 0, 0], np.eye(3)[[0, 1]].tolist() + [[0] * 3]
    )


def test_recycling_fills_ignored_voxels_with_the_own_prediction(monkeypatch):
    # Without noise x_t at the voxel is what the network predicts there.
    image, label = _data(1)
    label[0, 0, 0, 0] = IGNORED
    model = _model(ignore_label=IGNORED)
    _, mask = model._image_and_mask((tf.constant(image), tf.constant(label)))
    predicted = tf.reshape(tf.range(3.0) / 3.0, [1, 1, 1, 1, 3]) + tf.zeros_like(mask)
    monkeypatch.setattr(model.diffusion, "predict_x_start", lambda *_, **__: predicted)
    monkeypatch.setattr(
        model.diffusion, "q_sample", lambda x_start, noise, t_index: x_start
    )
    zero = tf.constant([0])
    draws = DiffusionDraws(None, tf.constant([1.0]), zero, zero)
    x_t = model._make_noisy_mask(tf.constant(image), mask, draws).x_t
    np.testing.assert_array_equal(x_t, predicted)


@pytest.mark.parametrize("arguments", ARGUMENTS[:2] + ARGUMENTS[-1:], ids=str)
def test_scores_are_those_of_the_labelled_voxels(arguments):
    image, label = _data(4, ignored_share=0.3)
    label[3] = IGNORED
    model = _model(ignore_label=IGNORED, **arguments)
    scores = model.evaluate(image, label, batch_size=2, verbose=0, return_dict=True)
    probabilities = model.predict(image, verbose=0)
    found = []
    for truth, predicted in zip(label[:3], probabilities[:3], strict=True):
        known = truth != IGNORED
        if model.regions is None:
            classes = truth[known], np.argmax(predicted, -1)[known]
            found.append(dice_score(*classes, 3))
            continue
        masks = np.stack([np.isin(truth, ids) for ids in model.regions], axis=-1)
        found.append(dice_score_from_masks(masks[known], predicted[known] > 0.5))
    for class_id in range(1, 3):
        values = [each.dice[class_id] for each in found if each.is_defined[class_id]]
        expected = np.mean(values) if values else 0.0
        np.testing.assert_allclose(
            scores[f"dice_class_{class_id}"], expected, rtol=1e-5, err_msg=class_id
        )
    counted = model._dice._defined_count.numpy() + model._dice._absent_count.numpy()
    np.testing.assert_array_equal(counted, [3.0, 3.0, 3.0])


@pytest.mark.parametrize("arguments", [{}, {"regions": [[1, 2], [2], [1]]}], ids=str)
def test_a_case_that_is_ignored_has_no_score(arguments):
    image, label = _data(2, ignored_share=2.0)
    model = _model(ignore_label=IGNORED, **arguments)
    scores = model.evaluate(image, label, verbose=0, return_dict=True)
    assert np.isnan(list(scores.values())).all()
    assert not model._dice._defined_count.numpy().any()
    assert not model._dice._absent_count.numpy().any()


@pytest.mark.parametrize("value", [0, 2, 0.5, True, "255", 2**31])
def test_refuses_an_ignore_label_that_is_a_class(value):
    with pytest.raises(ValueError, match="ignore_label must be"):
        DiffusionUNet3D(3, **SMALL, ignore_label=value)


def test_regions_take_all_ids_up_to_the_largest():
    arguments = SMALL | {"regions": [[1, 2, 4], [4]]}
    with pytest.raises(ValueError, match=r"0 to 4 .*, got 3"):
        flat_network(2, ignore_label=3, **arguments)
    assert flat_network(2, ignore_label=5, **arguments).ignore_label == 5


def test_other_labels_are_still_refused():
    image, label = _data(ignored_share=0.3)
    model = _model(ignore_label=IGNORED)
    with pytest.raises(ValueError, match=r"or ignore_label=255, .*got 254$"):
        model.fit(image, label - (label == IGNORED), verbose=0)
