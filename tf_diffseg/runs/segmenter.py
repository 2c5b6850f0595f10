"""Segmentation of images in Python, by a run or by an export.

import nibabel
import tf_diffseg

segmenter = tf_diffseg.load_segmenter("RUN")  # or "EXPORT/1"
label = segmenter(nibabel.load("image.nii.gz"))
nibabel.save(label, "label.nii.gz")
"""

import contextlib
import dataclasses
import functools
import json
import pathlib
import re
import warnings

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.inference.memory_errors import named_memory_errors
from tf_diffseg.metrics import voxel_ml
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.scan_resampling import ScanResampling
from tf_diffseg.runs.scans import crop_note, intensity_notes
from tf_diffseg.runs.shipped_models import find_model, model_names
from tf_diffseg.runs.trained_models import TrainedModels, is_run, paths_with
from tf_diffseg.volumes import image_like, smallest_type
from tf_diffseg.volumes.volume import check_extent, check_resampled_size
from tf_diffseg.volumes.volume_files import image_of

# What an export cannot be told any more: it is in its graph.
_NOT_OF_EXPORTS = (
    "sampler",
    "eta",
    "num_timesteps",
    "early_exit",
    "overlap",
    "window_shape",
)


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """What a `VolumeSegmenter` gives for one volume, on its own grid.

    Attributes:
        label: int32 [i, j, k], values of the data set's label files.
        entropy: float32 [i, j, k], see `tf_diffseg.inference.Prediction`; None where
            it was not asked for, like the rest.
        variance: float32 [i, j, k].
        sample_volumes_ml: float64 [num_samples, num_classes].
    """

    label: np.ndarray
    entropy: np.ndarray | None = None
    variance: np.ndarray | None = None
    sample_volumes_ml: np.ndarray | None = None

    def volumes(self, class_names, label_values, voxel_ml):
        """Volumes of the foreground classes, JSON-able.

        Args:
            class_names: name per class id, background first.
            label_values: value in label files per class id.
            voxel_ml: volume of a voxel.

        Returns:
            Dict from class name to `volume_ml`, of the label map, and over the
            samples `mean_ml`, `std_ml`, `interval_ml` (2.5 to 97.5 percent) and
            `samples_ml`.
        """
        found = {}
        for class_id, name in list(enumerate(class_names))[1:]:
            samples = self.sample_volumes_ml[:, class_id]
            voxels = np.count_nonzero(self.label == label_values[class_id])
            interval = np.percentile(samples, (2.5, 97.5))
            found[name] = {
                "volume_ml": round(voxels * voxel_ml, 6),
                "mean_ml": round(float(samples.mean()), 6),
                "std_ml": round(float(samples.std()), 6),
                "interval_ml": [round(float(value), 6) for value in interval],
                "samples_ml": [round(float(value), 6) for value in samples],
            }
        return found


class VolumeSegmenter:
    """Segments volumes as they lie in files; see `load_segmenter`.

    Attributes:
        class_names: name per class id, background first.
        label_values: value in label files per class id.
        num_channels: of the images.
        resampling: `ScanResampling` of the model.
        options: `InferenceOptions`.
    """

    def __init__(self, model, options):
        """Takes a `_Run` or an `_Export`."""
        self._model = model
        self.class_names = model.class_names
        self.label_values = model.label_values
        self.num_channels = model.num_channels
        self.resampling = model.resampling
        self.options = options
        self._clean = options.post_processing(model.class_names)

    def __call__(self, image):
        """Segments a nibabel image.

        Args:
            image: a spatial image of nibabel, [i, j, k] or [i, j, k, channels].

        Returns:
            Image of the same type and grid that holds the label map, with a header as
            `tf_diffseg.volumes` makes it for files too.

        Raises:
            InputError: as `read_image` of `tf_diffseg.volumes` of such a file, and
                as `segment`.
        """
        volume = image_of(image)
        note = self.resampling.note(volume)
        if note and self.options.resample == "never":
            warnings.warn(f"{volume.path}: {note}", stacklevel=2)
        with named_memory_errors(volume.path):
            label = self.segment(volume).label
        return image_like(smallest_type(label), image)

    def segment(self, image, with_uncertainty=False):
        """Segments a volume.

        Args:
            image: `Volume` of `tf_diffseg.volumes.volume_files`, from `read_image` or
                `image_of`.
            with_uncertainty: whether to give all of `Segmentation`.

        Returns:
            `Segmentation`.

        Raises:
            InputError: the image does not have the model's channels, or is no size
                for the model's voxels.
        """
        num_channels = image.array.shape[-1]
        if num_channels != self.num_channels:
            raise InputError(
                f"the model wants {self.num_channels} channel(s), {image.path} has "
                f"{num_channels}"
            )
        self._check_grid(image)
        array, affine = image.array, image.affine
        if self.options.num_samples == 1 and not with_uncertainty:
            label = self._model.label(array, affine)
            return Segmentation(self._cleaned(label, affine))
        prediction = self._model.prediction(array, affine)
        values = np.array(self.label_values, np.int32)
        return Segmentation(
            self._cleaned(values[prediction.class_ids.numpy()], affine),
            prediction.entropy.numpy(),
            prediction.variance.numpy(),
            prediction.sample_voxels.numpy() * voxel_ml(affine),
        )

    @property
    def saved_steps(self):
        """Reverse steps that `early_exit` saved a window, in the mean; or None."""
        return self._model.saved_steps

    def notes(self, image):
        """What to tell about a scan before it is segmented.

        Args:
            image: `Volume`, as in `segment`.

        Returns:
            List of lines of text.
        """
        preprocessing = self.resampling.preprocessing_of(image.affine)
        crop = crop_note(image, preprocessing)
        notes = [note for note in (self.resampling.note(image), crop) if note]
        return notes + intensity_notes(image, preprocessing)

    def _check_grid(self, image):
        """Raises InputError where an image resampled is nothing, or too much."""
        preprocessing = self.resampling.preprocessing_of(image.affine)
        spacing_mm = preprocessing.get("spacing_mm")
        if spacing_mm is None:
            return
        check_extent(image, spacing_mm)
        from tf_diffseg.preprocessing import VolumePreprocessor

        preprocessor = VolumePreprocessor(**preprocessing)
        size = preprocessor.crop_box(image.array, image.affine)[1].numpy()
        check_resampled_size(
            image, image.grid_shape if (size < 0).any() else size, spacing_mm
        )

    def _cleaned(self, label, affine):
        clean = self._clean
        if not clean.is_active:
            return label
        # Cleaning goes by class ids: background is 0 there, whatever its value.
        values = np.array(self.label_values)
        order = np.argsort(values)
        class_ids = order[np.searchsorted(values, label, sorter=order)]
        return values[clean(class_ids, voxel_ml(affine))].astype(label.dtype)


def load_segmenter(path, ensemble_with=(), **options):
    """Loads a model to segment with.

    Args:
        path: a run folder, a checkpoint in one, the folder of an exported version,
            or the name of a model that comes with it, as "hippocampus".
        ensemble_with: a further run or checkpoint, or several, whose mean is taken.
        **options: the fields of `InferenceOptions`, as num_samples.

    Returns:
        `VolumeSegmenter`.

    Raises:
        InputError: the path is neither, the model cannot be read, or an option is
            out of range or does not apply to it.
    """
    chosen = InferenceOptions(**options)
    path = find_model(path)
    if is_run(path):
        return segmenter_of(TrainedModels(paths_with(path, ensemble_with), chosen))
    if ensemble_with:
        raise InputError(
            f"--ensemble_with does not apply: --model={path} is not a run folder"
        )
    return VolumeSegmenter(_Export(pathlib.Path(path), chosen), chosen)


def segmenter_of(trained):
    """`VolumeSegmenter` of `TrainedModels` that are loaded already."""
    return VolumeSegmenter(_Run(trained), trained.options)


def check_model(path):
    """Raises InputError unless a path may be that of a run or an export."""
    path = find_model(path)
    if not is_run(path) and not (pathlib.Path(path) / "saved_model.pb").is_file():
        raise InputError(
            f"--model={path}: expected a run folder or the folder of an exported "
            "version, as EXPORT/1; there is no config.json and no saved_model.pb in "
            "it. Names of models that come with tf_diffseg: "
            f"{', '.join(model_names()) or 'none'}"
        )


class _Run:
    """A `VolumeSegmenter`'s model, of run folders."""

    def __init__(self, trained):
        import tensorflow as tf

        manifest = trained.manifest
        self.class_names = manifest.class_names
        self.label_values = manifest.label_values
        self.num_channels = manifest.num_channels
        self.resampling = trained.resampling
        self._trained = trained
        self._options = trained.options
        segmenter = trained.segmenter()
        # Traced once for all shapes.
        self._label = tf.function(segmenter, input_signature=_signature(manifest))
        self._predict = tf.function(
            functools.partial(
                segmenter.predict,
                num_samples=self._options.num_samples,
                batch_size=self._options.batch_size,
            ),
            input_signature=_signature(manifest),
        )

    @property
    def saved_steps(self):
        return self._trained.saved_steps

    def label(self, image, affine):
        return self._label(*_tensors(image, affine, self._options.seed)).numpy()

    def prediction(self, image, affine):
        return self._predict(*_tensors(image, affine, self._options.seed))


def _signature(manifest):
    import tensorflow as tf

    return [
        tf.TensorSpec([None, None, None, manifest.num_channels]),
        tf.TensorSpec([4, 4]),
        tf.TensorSpec([], tf.int32),
    ]


def _tensors(image, affine, seed):
    import tensorflow as tf

    return (
        tf.constant(image, tf.float32),
        tf.constant(affine, tf.float32),
        tf.constant(seed, tf.int32),
    )


class _Export:
    """A `VolumeSegmenter`'s model, of a SavedModel: without the training code."""

    saved_steps = None

    def __init__(self, path, options):
        check_model(path)
        for name in options.given():
            if name in _NOT_OF_EXPORTS:
                raise InputError(
                    f"--{name} does not apply: --model={path} is an export, which "
                    "samples as it was exported; give the run folder"
                )
        card = _model_card(path)
        self._path, self._options = path, options
        self._has_card = bool(card)
        self._region_labels = card.get("targets", {}).get("region_labels")
        self.resampling = ScanResampling(
            card.get("preprocessing", {}),
            card.get("training_data", {}).get("fingerprint"),
            options.resample,
        )
        # Exports made before could not: what they cannot is done around them.
        self._graph_resamples = card.get("served", {}).get("resample") == "auto"
        self._signatures = self._load()
        spec = self._signatures["segment_volume"].structured_input_signature[1]
        self.num_channels = spec["image"].shape[-1]
        self._batch = spec["image"].shape[0]  # None where it is free.
        outputs = self._signatures["serving_default"].structured_outputs
        num_classes = outputs["probabilities"].shape[-1]
        self.label_values = card.get("label_values", list(range(num_classes)))
        self.class_names = card.get("class_names", [str(v) for v in self.label_values])

    def _load(self):
        import tensorflow as tf

        # Its variables live as long as the object that was loaded.
        self._loaded = tf.saved_model.load(str(self._path))
        return self._loaded.signatures

    def label(self, image, affine):
        if self._options.flip_axes or self._differs_from_graph(affine):
            class_ids = self.prediction(image, affine).class_ids.numpy()
            return np.array(self.label_values, np.int32)[class_ids]
        image, affine, seed = _tensors(image, affine, self._options.seed)
        with self._named_refusals():
            result = self._run("segment_volume", image=image, affine=affine, seed=seed)
        return result["label"].numpy()

    def _differs_from_graph(self, affine):
        """Whether the graph would resample a scan, and is not to, or the reverse."""
        wanted = self._options.resample == "auto"
        return wanted != self._graph_resamples and self.resampling.is_outside(affine)

    def _run(self, signature, **inputs):
        """Outputs of a signature for one volume, repeated where the batch is fixed."""
        import tensorflow as tf

        batch = self._batch or 1
        inputs = {
            name: tf.repeat(value[tf.newaxis], batch, axis=0)
            for name, value in inputs.items()
        }
        outputs = self._signatures[signature](**inputs)
        return {name: value[0] for name, value in outputs.items()}

    def prediction(self, image, affine):
        with self._named_refusals():
            return self._predict(*_tensors(image, affine, self._options.seed))

    @contextlib.contextmanager
    def _named_refusals(self):
        """Makes an InputError of what the graph says against a request."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            told = re.search(r"assertion failed: \[(.*)\]", error.message)
            reason = told.group(1) if told else error.message.splitlines()[0]
            raise InputError(f"--model={self._path} refuses it: {reason}") from error

    @functools.cached_property
    def _predict(self):
        import tensorflow as tf

        from tf_diffseg.inference import Segmenter, flipped_mean

        if not self._has_card:
            raise InputError(
                f"--model={self._path} holds no assets/model_card.json, which "
                "says how to preprocess for several samples or mirror images"
            )

        def sample(image, seed):
            if self._batch is None:
                serve = self._signatures["serving_default"]
                return serve(image=image, seed=seed)["probabilities"]
            return tf.map_fn(
                lambda one: self._run("serving_default", image=one[0], seed=one[1])[
                    "probabilities"
                ],
                (image, seed),
                fn_output_signature=tf.float32,
                parallel_iterations=1,
            )

        segmenter = Segmenter(
            flipped_mean(sample, self._options.flipped_axes),
            self.resampling.preprocessor,
            self.label_values,
            self._region_labels,
        )
        return tf.function(
            functools.partial(
                segmenter.predict,
                num_samples=self._options.num_samples,
                batch_size=self._options.batch_size,
            ),
            reduce_retracing=True,
        )


def _model_card(path):
    """The model card of an export; empty without one."""
    path = path / "assets" / "model_card.json"
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        needed = ("preprocessing", "label_values", "class_names", "targets")
        more = ("training_data", "served")  # Of `experiments.export` alone.
        return {
            **{name: card[name] for name in needed},
            **{name: dict(card[name]) for name in more if name in card},
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a model card: {error!r}") from error
