"""Windows over volumes: their content, their places, and how they blend."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference import SlidingWindow

_WINDOW = (4, 5, 3)


def _image(shape, batch=1, channels=1):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, *shape, channels)).astype(np.float32)


def _pointwise(image, seed):
    del seed
    first, last = image[..., :1], image[..., -1:]
    return tf.nn.softmax(tf.concat([first, first * last, last - 1.0], axis=-1))


class _Recorder:
    """A pointwise network that notes the windows it is given."""

    def __init__(self):
        self.windows, self.seeds, self.batch_sizes = [], [], []

    def __call__(self, image, seed):
        self.windows.extend(image.numpy())
        self.seeds.extend(seed.numpy())
        self.batch_sizes.append(len(image))
        return _pointwise(image, seed)


def _sliding(sample=_pointwise, window_shape=_WINDOW, output_shape=(3,), **options):
    return SlidingWindow(sample, window_shape, output_shape, **options)


@pytest.mark.parametrize(
    "shape, overlap",
    [
        (_WINDOW, 0.5),
        ((9, 5, 3), 0.8),
        ((11, 12, 8), 0.0),
        ((2, 3, 2), 0.0),
        ((3, 11, 4), 0.5),
        ((5, 6, 4), 0.8),
    ],
)
def test_a_pointwise_network_gives_the_same_as_for_the_whole_volume(shape, overlap):
    image = _image(shape, batch=2, channels=2)
    blended = _sliding(overlap=overlap, batch_size=3)(image, [0, 1])
    assert blended.shape == (2, *shape, 3)
    np.testing.assert_allclose(blended, _pointwise(image, None), atol=1e-6)


@pytest.mark.parametrize("num_regions", [1, 3])
@pytest.mark.parametrize("shape, overlap", [((9, 5, 3), 0.8), ((3, 11, 4), 0.5)])
def test_overlapping_classes_keep_their_probabilities(shape, overlap, num_regions):
    """No class takes from another: all may be certain at a voxel, or none."""
    certain = np.linspace(-30.0, 30.0, num_regions * 2)

    def sample(image, seed):
        del seed
        bias = tf.where(image > 0.0, certain[:num_regions], certain[num_regions:])
        return tf.sigmoid(tf.cast(bias, tf.float32) + image)

    image = _image(shape, batch=2)
    sliding = _sliding(
        sample, output_shape=(num_regions,), overlap=overlap, encoding="overlapping"
    )
    blended = sliding(image, [0, 1])
    np.testing.assert_allclose(blended, sample(image, None), atol=1e-5)


def test_a_graph_of_unknown_shapes_gives_the_eager_result():
    traced = []

    def sample(image, seed):
        traced.append(image.shape)
        return _pointwise(image, seed)

    sliding = _sliding(sample, batch_size=2)
    specs = [tf.TensorSpec([None] * 4 + [1]), tf.TensorSpec([None], tf.int32)]
    graph = tf.function(sliding, input_signature=specs)
    graph.get_concrete_function()
    assert traced == [(None, *_WINDOW, 1)]
    for shape in (_WINDOW, (9, 6, 3), (2, 3, 2), (3, 11, 4)):
        image = _image(shape, batch=2)
        np.testing.assert_array_equal(
            graph(image, [3, 4]), sliding(image, np.array([3, 4], np.int32))
        )


def test_one_window_is_the_sample_bit_for_bit():
    recorder = _Recorder()
    image = _image(_WINDOW, batch=3)
    image[0, 0, 0, 0] = 200.0  # Its softmax has zeros, which have no logarithm.
    probabilities = _sliding(recorder, batch_size=3)(image, [5, -7, 0])
    np.testing.assert_array_equal(recorder.windows, image)
    np.testing.assert_array_equal(recorder.seeds, [5, -7, 0])
    np.testing.assert_array_equal(probabilities, _pointwise(image, None))
    assert np.min(probabilities) == 0.0


def test_windows_cover_the_volume_with_the_overlap_asked_for():
    starts = []

    def sample(image, seed):
        # The image holds its own voxel numbers.
        starts.extend(np.rint(image[:, 0, 0, 0, 0].numpy()).astype(int))
        return tf.ones([*image.shape[:4], 1])

    shape = (11, 9, 5)
    numbers = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape, 1)
    _sliding(sample, output_shape=(1,), overlap=0.5)(numbers, [0])
    places = np.stack(np.unravel_index(starts, shape), axis=1)
    assert len(places) == len(np.unique(places, axis=0))
    for axis, window in enumerate(_WINDOW):
        found = np.unique(places[:, axis])
        assert found[0] == 0 and found[-1] == shape[axis] - window
        assert np.diff(found).max() <= np.ceil(window * 0.5)
    assert len(places) == np.prod([len(np.unique(column)) for column in places.T])


def test_noise_depends_only_on_position_and_seed():
    def seeds(batch_size, volume_seeds):
        recorder = _Recorder()
        image = _image((9, 8, 5), batch=len(volume_seeds))
        _sliding(recorder, batch_size=batch_size)(image, volume_seeds)
        assert max(recorder.batch_sizes) == min(batch_size, len(recorder.seeds))
        pairs = zip(recorder.windows, recorder.seeds, strict=True)
        return {window.tobytes(): seed for window, seed in pairs}

    alone, batched = seeds(1, [7]), seeds(4, [7])
    assert alone == batched
    assert len(set(alone.values())) == len(alone) > 20
    first = _image((9, 8, 5))[0, :4, :5, :3].tobytes()
    assert alone[first] == 7
    # The same volumes stay the same beside others.
    beside = seeds(5, [7, 8])
    assert {window: beside[window] for window in alone} == alone
    assert len(set(beside.values())) == len(beside)


@pytest.mark.parametrize("in_graph", [False, True])
def test_progress_counts_the_windows(in_graph):
    calls = []
    sliding = _sliding(batch_size=4, progress=lambda *call: calls.append(call))
    run = tf.function(sliding) if in_graph else sliding
    image = tf.constant(_image((9, 8, 3)))
    np.testing.assert_array_equal(run(image, [7]), _sliding(batch_size=4)(image, [7]))
    num_done, num_windows = np.transpose(calls)
    assert len(calls) > 1 and set(num_windows) == {num_done.sum()}


def test_a_small_volume_is_padded_with_its_darkest_values():
    recorder = _Recorder()
    image = _image((2, 5, 1), channels=2)
    _sliding(recorder)(image, [0])
    (window,) = recorder.windows
    assert window.shape == (*_WINDOW, 2)
    np.testing.assert_array_equal(window[1:3, :, 1:2], image[0])
    darkest = image.min(axis=(0, 1, 2, 3))
    np.testing.assert_array_equal(window[0], np.broadcast_to(darkest, (5, 3, 2)))


def test_the_window_with_a_voxel_near_its_centre_counts_most():
    # Two windows along x: the first says class 0, the second class 1.
    def sample(image, seed):
        probability = tf.where(image[:, :1, :1, :1, :] > 0.5, 0.1, 0.9)
        probability = tf.broadcast_to(probability, [*image.shape[:4], 1])
        return tf.concat([probability, 1.0 - probability], axis=-1)

    image = np.zeros((1, 12, 1, 1, 1), np.float32)
    image[:, 4:] = 1.0
    sliding = _sliding(sample, (8, 1, 1), (2,), overlap=0.5)
    first = sliding(image, [0])[0, :, 0, 0, 0].numpy()
    # Voxels 0 to 3 and 8 to 11 are of one window each.
    np.testing.assert_allclose(first[:4], 0.9, atol=1e-6)
    np.testing.assert_allclose(first[8:], 0.1, atol=1e-6)
    assert (np.diff(first[3:9]) < 0).all()
    # Logits are blended: the two are mirror images, their middle is undecided.
    np.testing.assert_allclose(first + first[::-1], 1.0, atol=1e-6)
    weights = np.exp(-0.5 * (np.array([0.5, 3.5]) / (8 / 8)) ** 2)
    logit = np.log(9.0) * (weights[0] - weights[1]) / weights.sum()
    assert first[4] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_each_reverse_step_is_blended_by_itself():
    def trajectory(image, seed):
        last = _pointwise(image, seed)
        return tf.stack([tf.ones_like(last) / 3.0, last], axis=-2)

    image = _image((9, 6, 5))
    blended = _sliding(trajectory, output_shape=(2, 3))(image, [0])
    assert blended.shape == (1, 9, 6, 5, 2, 3)
    np.testing.assert_allclose(blended[..., 0, :], 1.0 / 3.0, atol=1e-6)
    np.testing.assert_allclose(blended[..., 1, :], _pointwise(image, None), atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"window_shape": (4, 4)}, "window_shape must be 3 positive"),
        ({"window_shape": (4, 0, 4)}, "window_shape must be 3 positive"),
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\), got 1.0"),
        ({"overlap": -0.1}, r"overlap must be in \[0, 1\), got -0.1"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        _sliding(**arguments)
