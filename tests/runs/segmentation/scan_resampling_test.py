"""Scans with voxel sizes that a model was not trained on."""

import dataclasses
import functools
import json

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from tests.runs.toy_run import MANIFEST, toy_run
from tests.serving.exported_toy import ExportedToy
from tf_diffseg.data.example_schema import encode_example
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.case_scorer import CaseScorer
from tf_diffseg.evaluation.targets import Targets
from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import SourceGrid
from tf_diffseg.runs.segmentation.scan_notes import crop_note
from tf_diffseg.runs.segmentation.scan_resampling import ScanResampling
from tf_diffseg.runs.segmentation.segmenter import load_segmenter
from tf_diffseg.volumes.volume_files import image_of, read_image

_OWN_VOXELS = {"spacing_mm": None, "volume_shape": (8, 12, 6), "intensity": "none"}
_RESAMPLED = {**_OWN_VOXELS, "spacing_mm": [1.0, 1.0, 1.5]}
_SPREAD = {"min": [0.9, 1.0, 1.5], "median": [1.0, 1.0, 1.5], "max": [1.0, 1.2, 1.5]}
_FINGERPRINT = {"spacing_mm": _SPREAD}
_OUTSIDE = np.diag([2.0, -2.0, 3.0, 1.0])
_WITHIN = np.diag([1.1, -1.3, 1.2, 1.0])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One network in three runs: that tells, that does not, that resamples always."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = {
        "tells": {"preprocessing": _OWN_VOXELS, "fingerprint": _FINGERPRINT},
        "silent": {"preprocessing": _OWN_VOXELS},
        "resamples": {"preprocessing": _RESAMPLED, "fingerprint": _FINGERPRINT},
    }
    return {
        name: toy_run(
            folder / name,
            dataclasses.replace(MANIFEST, **values),
            strategy="supervised",
        )
        for name, values in kinds.items()
    }


def _image(affine):
    voxels = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)
    return nib.Nifti1Image(voxels, affine)


@functools.lru_cache
def _segmenter(path, **options):
    return load_segmenter(path, **options)


def _label(path, affine, **options):
    return np.asarray(_segmenter(path, **options)(_image(affine)).dataobj)


def test_a_scan_outside_is_segmented_as_by_a_run_that_always_resamples(runs):
    found = _label(runs["tells"], _OUTSIDE)
    assert len(np.unique(found)) > 1
    np.testing.assert_array_equal(found, _label(runs["resamples"], _OUTSIDE))
    untouched = _label(runs["silent"], _OUTSIDE)
    assert (found != untouched).any()
    with pytest.warns(UserWarning, match="2 x 2 x 3 mm .* segmented wrongly"):
        never = _label(runs["tells"], _OUTSIDE, resample="never")
    np.testing.assert_array_equal(never, untouched)
    # The same scan, by a header in metres.
    metres = _image(np.diag([0.002, -0.002, 0.003, 1.0]))
    metres.header.set_xyzt_units("meter")
    np.testing.assert_array_equal(_segmenter(runs["tells"])(metres).dataobj, found)
    # Several samples go another way.
    segmenter = _segmenter(runs["tells"])
    volume = image_of(_image(_OUTSIDE))
    several = segmenter.segment(volume, with_uncertainty=True)
    np.testing.assert_array_equal(several.label, found)
    assert several.entropy.shape == found.shape


def test_a_scan_within_a_quarter_is_not_touched(runs, recwarn):
    found = _label(runs["tells"], _WITHIN)
    np.testing.assert_array_equal(found, _label(runs["silent"], _WITHIN))
    assert (found != _label(runs["resamples"], _WITHIN)).any()
    _label(runs["tells"], _WITHIN, resample="never")
    assert not [w for w in recwarn if "trained on" in str(w.message)]


def test_notes_say_how_a_scan_is_resampled():
    fitting = ScanResampling(_OWN_VOXELS, _FINGERPRINT)
    volume = image_of(_image(_OUTSIDE))
    assert fitting.note(volume) == (
        "note: its voxels of 2 x 2 x 3 mm (i, j, k) are unlike those that the model "
        "was trained on, 0.9 x 1 x 1.5 to 1 x 1.2 x 1.5 mm (x, y, z); it is resampled "
        "to 1 x 1 x 1.5 mm, and the result is brought back onto its own grid"
    )
    # It has fewer voxels than the network takes, but not once it is resampled.
    assert crop_note(volume, _OWN_VOXELS) is None
    note = crop_note(volume, fitting.preprocessing_of(volume.affine))
    assert "only the central 8 x 12 x 9 mm" in note
    never = ScanResampling(_OWN_VOXELS, _FINGERPRINT, "never")
    assert never.note(volume).startswith("warning: ")
    assert never.preprocessing_of(volume.affine) == _OWN_VOXELS
    assert never.unknown_note is None
    uids = [f"case{index}" for index in range(7)]
    (note,) = never.notes_of_cases(uids)
    assert note.startswith("warning: 7 case(s) have voxels unlike those that the model")
    assert note.endswith(
        "never left them as they are: " + ", ".join(uids[:5]) + " and 2 more"
    )
    silent = ScanResampling(_OWN_VOXELS, {})
    assert silent.note(volume) is None
    assert "does not tell which voxel sizes" in silent.unknown_note
    assert silent.notes_of_cases([]) == [silent.unknown_note]
    assert fitting.notes_of_cases([]) == []


def test_what_cannot_be_resampled_is_refused(runs):
    with pytest.raises(InputError, match="=never does not apply: .*1 x 1 x 1"):
        _segmenter(runs["resamples"], resample="never")
    damaged = ScanResampling(_OWN_VOXELS, {"spacing_mm": {"min": [1, 1, 1]}})
    with pytest.raises(InputError, match="fingerprint is damaged: expected min"):
        damaged.is_outside(np.eye(4))
    image = _image(np.diag([0.01, 0.01, 0.01, 1.0]))
    with pytest.raises(InputError, match="less than one voxel of 1 x 1 x 1.5 mm"):
        _segmenter(runs["tells"])(image)


def _export(folder, resample):
    """`ExportedToy` with the card of `experiments.export`; None of an older one."""
    preprocessor = ScanResampling(_OWN_VOXELS, _FINGERPRINT, resample or "never")
    toy = ExportedToy(
        folder,
        preprocessor=preprocessor.preprocessor,
        model_options={"strategy": "supervised"},
        max_voxels=2000,
    )
    path = toy.path / "assets" / "model_card.json"
    card = json.loads(path.read_text())
    card["training_data"] = {"fingerprint": _FINGERPRINT}
    card["served"] = {"num_samples": 1}
    if resample is not None:
        card["served"]["resample"] = resample
    path.write_text(json.dumps(card))
    return toy


@pytest.mark.slow
@pytest.mark.parametrize("resample", ["auto", None])
def test_an_export_resamples_in_its_graph_or_around_it(resample, tmp_path):
    toy = _export(tmp_path, resample)

    def expected(affine, resample):
        wanted = ScanResampling(_OWN_VOXELS, _FINGERPRINT, resample).preprocessor
        segmenter = Segmenter(toy.segmenter.sample, wanted, toy.segmenter.label_values)
        volume = image_of(_image(affine))
        return segmenter(volume.array, volume.affine.astype(np.float32), 0).numpy()

    outside = expected(_OUTSIDE, "auto")
    assert (outside != expected(_OUTSIDE, "never")).any()
    np.testing.assert_array_equal(_label(toy.path, _OUTSIDE), outside)
    np.testing.assert_array_equal(_label(toy.path, _WITHIN), expected(_WITHIN, "never"))
    with pytest.warns(UserWarning, match="segmented wrongly"):
        never = _label(toy.path, _OUTSIDE, resample="never")
    np.testing.assert_array_equal(never, expected(_OUTSIDE, "never"))
    if resample == "auto":
        contents = _image(_OUTSIDE).to_bytes()
        served = toy.run("segment_nifti", contents=[contents], seed=np.zeros(1, "i4"))
        np.testing.assert_array_equal(served["label"][0], outside)
    large = nib.Nifti1Image(np.zeros((15, 15, 15), np.float32), _WITHIN)
    with pytest.raises(InputError, match="refuses it: expected at most 2000 voxels"):
        _segmenter(toy.path)(large)


def _bright(image, seed):
    """Class 1 where it is bright; background elsewhere, and class 2 nowhere."""
    del seed
    is_bright = tf.cast(image[..., 0] > tf.reduce_mean(image), tf.float32)
    return tf.stack([1 - is_bright, is_bright, 0 * is_bright], axis=-1)


def test_an_evaluation_scores_the_label_map_of_segmentation(tmp_path):
    preprocessing = {"spacing_mm": None, "volume_shape": (16, 20, 16)}
    resampling = ScanResampling(preprocessing, _FINGERPRINT)
    segmenter = Segmenter(_bright, resampling.preprocessor, (0, 1, 2))
    images = {"far": _image(_OUTSIDE), "near": _image(_WITHIN)}
    expected, truth = {}, np.zeros((5, 7, 4), np.int32)
    truth[1:4, 2:5, 1:3] = 1
    plain = ScanResampling(preprocessing, {}).preprocessor

    def stored_label(label, affine):
        return plain.label(label, SourceGrid(label.shape, affine)).numpy()

    with tf.io.TFRecordWriter(str(tmp_path / "shard")) as writer:
        for uid, image in images.items():
            volume = image_of(image)
            example = encode_example(
                uid=uid,
                image=plain(volume.array, volume.affine)[0].numpy(),
                label=stored_label(truth, volume.affine),
                spacing_mm=volume.spacing_mm,
                source_affine=volume.affine,
                source_label=truth,
            )
            writer.write(example)
            affine = volume.affine.astype(np.float32)
            expected[uid] = segmenter(volume.array, affine, 0).numpy()
    targets = Targets(["background", "one", "two"], [(1,), (2,)])
    scorer = CaseScorer(
        segmenter, targets, [str(tmp_path / "shard")], resampling=resampling
    )
    for scores, volumes in scorer.score(set(images)):
        found = expected[scores.uid]
        both = np.sum((found == 1) & (truth == 1))
        dice = 2 * both / np.sum([found == 1, truth == 1])
        assert scores.dice[1] == pytest.approx(dice)
        shape = volumes.image.shape[:3]
        assert volumes.predicted.shape == volumes.entropy.shape == shape
        predicted = stored_label(found, images[scores.uid].affine)
        np.testing.assert_array_equal(volumes.predicted, predicted)
    assert scorer.outside_uids == ["far"]
    (note,) = resampling.notes_of_cases(scorer.outside_uids)
    assert note.startswith("note: 1 case(s) have voxels unlike those that the model")
    assert note.endswith("resampled to 1 x 1 x 1.5 mm and back: far")


def test_the_shipped_model_segments_a_scan_of_2_mm(cases_dir):
    image = read_image(cases_dir / "hippo_2.0mm.nii.gz")
    truth = np.asarray(nib.load(cases_dir / "hippo_2.0mm_truth.nii.gz").dataobj)
    label = load_segmenter("hippocampus").segment(image).label
    for value in (1, 2):
        found, true = label == value, truth == value
        assert 2 * np.sum(found & true) / (found.sum() + true.sum()) > 0.75
