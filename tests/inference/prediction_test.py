"""Statistics of several samples of a volume, of mirror images and of models."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference import (
    Segmenter,
    ensemble_mean,
    flipped_mean,
    sample_seeds,
    steps_last,
)
from tf_diffseg.preprocessing import VolumePreprocessor

_SHAPE = (5, 4, 3)
_AFFINE = np.diag([1.0, -2.0, 3.0, 1.0]).astype(np.float32)


def _image(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(*_SHAPE, 1)).astype(np.float32)


def _noisy(image, seed):
    """Probabilities of three classes that depend on the voxel and the seed."""
    noise = tf.map_fn(
        lambda one: tf.random.stateless_normal([*_SHAPE, 3], [one, 0]),
        seed,
        fn_output_signature=tf.float32,
    )
    return tf.nn.softmax(2.0 * tf.concat([image, -image, image**2], axis=-1) + noise)


def _segmenter(sample=_noisy, **preprocessing):
    return Segmenter(sample, VolumePreprocessor(**preprocessing), (0, 1, 2))


def _samples(segmenter, num_samples, seed=3):
    """The samples one by one, on the grid of the file."""
    image, _, source, _ = segmenter.preprocessor.preprocess(_image(), _AFFINE)
    seeds = sample_seeds(seed, num_samples)
    return np.stack(
        [
            segmenter.preprocessor.restore(
                segmenter.sample(image[None], seeds[i : i + 1])[0], source
            )
            for i in range(num_samples)
        ]
    )


@pytest.mark.parametrize(
    "batch_size, preprocessing",
    [
        pytest.param(1, {}, marks=pytest.mark.slow),
        (3, {"spacing_mm": (1.0, 2.0, 3.0)}),
        pytest.param(8, {}, marks=pytest.mark.slow),
    ],
)
def test_statistics_are_those_of_the_samples(batch_size, preprocessing):
    segmenter = _segmenter(**preprocessing)
    predict = tf.function(segmenter.predict)
    result = predict(_image(), _AFFINE, 3, num_samples=5, batch_size=batch_size)
    samples = _samples(segmenter, 5)
    mean = samples.mean(axis=0)
    np.testing.assert_allclose(result.probabilities, mean, atol=1e-6)
    np.testing.assert_array_equal(result.class_ids, mean.argmax(axis=-1))
    entropy = -np.sum(mean * np.log(mean), axis=-1)
    np.testing.assert_allclose(result.entropy, entropy, atol=1e-5)
    variance = samples.var(axis=0).sum(axis=-1)
    np.testing.assert_allclose(result.variance, variance, atol=1e-6)
    assert np.median(variance) > 0.01
    voxels = [np.bincount(s.argmax(axis=-1).ravel(), minlength=3) for s in samples]
    np.testing.assert_array_equal(result.sample_voxels, voxels)
    np.testing.assert_array_equal(result.step_class_ids, result.class_ids[None])


def test_one_sample_is_the_label_map_and_has_no_variance():
    segmenter = _segmenter()
    result = segmenter.predict(_image(), _AFFINE, 3)
    np.testing.assert_array_equal(result.class_ids, segmenter(_image(), _AFFINE, 3))
    assert not result.variance.numpy().any()
    # The voxel axis j runs to the left.
    np.testing.assert_array_equal(
        result.preprocessed_class_ids, result.class_ids.numpy()[:, ::-1]
    )
    np.testing.assert_array_equal(
        result.preprocessed_entropy, result.entropy.numpy()[:, ::-1]
    )


def test_certain_voxels_have_no_entropy():
    def certain(image, seed):
        return tf.one_hot(tf.cast(image[..., 0] > 0, tf.int32), 3)

    result = _segmenter(certain).predict(_image(), _AFFINE, 0, num_samples=2)
    assert not result.entropy.numpy().any() and not result.variance.numpy().any()


def test_every_reverse_step_has_its_label_map():
    def trajectory(image, seed):
        last = _noisy(image, seed)
        return tf.stack([tf.reverse(last, [-1]), last])

    segmenter = _segmenter(steps_last(trajectory))
    result = segmenter.predict(_image(), _AFFINE, 3, num_samples=2, batch_size=2)
    plain = _segmenter().predict(_image(), _AFFINE, 3, num_samples=2)
    np.testing.assert_array_equal(result.class_ids, plain.class_ids)
    np.testing.assert_array_equal(result.step_class_ids[1], plain.class_ids)
    np.testing.assert_array_equal(
        result.step_class_ids[0], plain.probabilities.numpy()[..., ::-1].argmax(-1)
    )
    np.testing.assert_allclose(result.variance, plain.variance, atol=1e-6)


@pytest.mark.parametrize("seed", [7, 0, -7])
def test_every_sample_has_its_own_seed(seed):
    seeds = sample_seeds(seed, 6).numpy()
    assert seeds[0] == seed and len(set(seeds)) == 6 and seeds.dtype == np.int32
    tf.random.set_seed(99)
    np.testing.assert_array_equal(sample_seeds(seed, 3), seeds[:3])
    assert not set(sample_seeds(seed + 1, 6).numpy()) & set(seeds)
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        sample_seeds(seed, 0)


@pytest.mark.parametrize(
    "axes, in_graph", [((), False), ((2,), False), ((0, 1), True), ((0, 1, 2), True)]
)
def test_the_mean_over_mirror_images_is_mirrored_with_the_image(axes, in_graph):
    ramp = tf.reshape(tf.range(60.0), [1, *_SHAPE, 1])

    def sample(image, seed):
        # Not symmetric: it depends on the position of a voxel.
        return tf.concat([image * ramp, image + ramp], axis=-1)

    flipped = flipped_mean(sample, axes)
    flipped = tf.function(flipped) if in_graph else flipped
    image = tf.constant(_image()[None])
    subsets = [
        [axis + 1 for axis in subset]
        for size in range(len(axes) + 1)
        for subset in itertools.combinations(axes, size)
    ]
    expected = np.mean(
        [tf.reverse(sample(tf.reverse(image, s), None), s) for s in subsets], axis=0
    )
    np.testing.assert_allclose(flipped(image, tf.constant([0])), expected, rtol=1e-5)
    assert (flipped is sample) == (not axes)
    with pytest.raises(ValueError, match="axes must be of 0, 1, 2, got \\(3,\\)"):
        flipped_mean(sample, (3,))


def test_an_ensemble_is_the_mean_of_its_models():
    image, seed = tf.constant(_image()[None]), tf.constant([4])

    def other(image, seed):
        return tf.nn.softmax(tf.concat([image] * 3, axis=-1))

    mean = ensemble_mean([_noisy, other])(image, seed)
    expected = (_noisy(image, seed) + other(image, seed)) / 2.0
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    assert ensemble_mean([other]) is other
    with pytest.raises(ValueError, match="at least one model"):
        ensemble_mean([])


def test_a_model_of_fewer_steps_stays_at_its_last_one_in_an_ensemble():
    image, seed = tf.constant(_image()[None]), tf.constant([4])
    last = _noisy(image, seed)
    five = steps_last(lambda image, seed: tf.stack([last / 2.0, last / 4.0, last]))
    one = steps_last(lambda image, seed: last[tf.newaxis])
    mean = ensemble_mean([one, five])(image, seed)
    for step, factor in enumerate((0.75, 0.625, 1.0)):
        np.testing.assert_allclose(mean[..., step, :], last * factor, rtol=1e-6)
