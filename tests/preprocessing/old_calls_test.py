"""Earlier calls, with the parts of a `SourceGrid`, still work with a warning."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import (
    FittedPreprocessor,
    SourceGrid,
    TrainedSpacing,
    VolumePreprocessor,
)

_PREPROCESSOR = VolumePreprocessor((1.1, 1.3, 1.2), (7, 6, 5), "zscore", None, True)
_FITTED = FittedPreprocessor(
    TrainedSpacing((3, 3, 3), (4, 4, 4), (5, 5, 5)), crop_to_foreground=True
)
_AFFINE = np.array(
    [[0, 0, 1.1, 3], [0.9, 0.1, 0, 2], [0, -1.3, 0, 1], [0, 0, 0, 1]], np.float32
)


def _image():
    image = np.random.default_rng(0).normal(size=(8, 7, 6, 1)).astype(np.float32)
    image[:2] = image.min()
    return image


_LABEL = np.random.default_rng(1).integers(0, 3, (8, 7, 6)).astype(np.int32)
_VOLUME = tf.one_hot(np.random.default_rng(2).integers(0, 3, (7, 6, 5)), 3)
_SHAPE = np.array(_LABEL.shape, np.int32)


def _sample(image, seed):
    noise = tf.cast(seed, tf.float32)[:, None, None, None, None] / 9.0
    return tf.nn.softmax(tf.concat([image, noise - image, image * noise], axis=-1))


_SEGMENTER = Segmenter(_sample, _PREPROCESSOR, (0, 1, 2))


def _calls(volume):
    """(method, earlier arguments, earlier named arguments, arguments of today)."""
    source, box, scaling = volume.source, volume.source.crop_box, volume.scaling
    place, named = (_SHAPE, _AFFINE, box), {"crop_box": box}
    p, s = _PREPROCESSOR, _SEGMENTER
    return [
        (p.grid_sizes, place[:2], {}, (source,)),
        (p.processed_shape, place, {}, (source,)),
        (p.stored_affine, place[:2], named, (source,)),
        (p.label, (_LABEL, _AFFINE), named, (_LABEL, source)),
        (p.uncropped_label, (_LABEL, _AFFINE, box), {}, (_LABEL, source)),
        (p.restore, (_VOLUME, *place, None), {}, (_VOLUME, source, None)),
        (p.restore, (_VOLUME, *place[:2]), named, (_VOLUME, source)),
        (p.restore_label, (_VOLUME[..., 0], *place), {}, (_VOLUME[..., 0], source)),
        (
            p.restore_image,
            (volume.image, *place[:2], scaling, box),
            {},
            (volume.image, source, scaling),
        ),
        (p.from_stored, (volume.image, *place), {}, (volume.image, source)),
        (p.to_stored, (_LABEL, _LABEL, _AFFINE, box), {}, (_LABEL, _LABEL, source)),
        (s.class_ids, (_VOLUME, *place), {}, (_VOLUME, source)),
        (
            s.predict_preprocessed,
            (volume.image, *place[:2], 3, 3, 2),
            named,
            (volume.image, source, 3, 3, 2),
        ),
    ]


def _calls_of_fitted(volume):
    """As `_calls`, of the methods that `FittedPreprocessor` has of its own."""
    place = _SHAPE, _AFFINE
    box, source, p = volume.source.crop_box, volume.source, _FITTED
    return [
        (p.grid_sizes, place, {}, (source,)),
        (p.from_stored, (volume.image, *place, box), {}, (volume.image, source)),
        (p.to_stored, (_LABEL, _LABEL, _AFFINE, box), {}, (_LABEL, _LABEL, source)),
    ]


@pytest.mark.parametrize(
    "preprocessor, calls", [(_PREPROCESSOR, _calls), (_FITTED, _calls_of_fitted)]
)
def test_parts_give_the_result_of_a_source_grid(preprocessor, calls):
    volume = preprocessor.preprocess(_image(), _AFFINE)
    for method, earlier, named, arguments in calls(volume):
        expected = f"{method.__name__} takes a Sour"
        with pytest.warns(DeprecationWarning, match=expected) as warned:
            found = method(*earlier, **named)
        assert warned[0].filename == __file__
        expected = method(*arguments)
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_tf_function_takes_the_parts():
    with pytest.warns(DeprecationWarning, match="stored_affine takes a Sour"):
        run = tf.function(_PREPROCESSOR.stored_affine)
        found = run(_SHAPE, _AFFINE, crop_box=((1, 2, 0), (4, 4, 4)))
    source = SourceGrid(_SHAPE, _AFFINE, ((1, 2, 0), (4, 4, 4)))
    np.testing.assert_array_equal(found, _PREPROCESSOR.stored_affine(source))


def test_earlier_methods_give_the_parts_of_preprocess():
    case = _image(), _AFFINE
    volume = _PREPROCESSOR.preprocess(*case)
    with pytest.warns(DeprecationWarning, match="is now"):
        box = _PREPROCESSOR.crop_box(*case)
        processed = _PREPROCESSOR.processed(*case)
        scaling = _PREPROCESSOR.scaling(*case)
    found = [box, *processed, scaling]
    expected = [
        volume.source.crop_box,
        volume.image,
        volume.affine,
        volume.scaling.is_flat,
        volume.scaling,
    ]
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_missing_box_is_refused():
    with pytest.warns(DeprecationWarning), pytest.raises(ValueError, match="crop_box"):
        _PREPROCESSOR.restore(_VOLUME, _SHAPE, _AFFINE)


def test_source_grid_goes_through_a_signature():
    source = _PREPROCESSOR.locate(_image(), _AFFINE)
    specs = SourceGrid(*(tf.TensorSpec(part.shape, part.dtype) for part in source))
    restore = tf.function(
        _PREPROCESSOR.restore, input_signature=[tf.TensorSpec([None] * 3 + [3]), specs]
    )
    np.testing.assert_array_equal(
        restore(_VOLUME, source), _PREPROCESSOR.restore(_VOLUME, source)
    )
