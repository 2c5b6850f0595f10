"""Segmentation of images in Python by a run or an export.

import nibabel
import tf_diffseg

segmenter = tf_diffseg.load_segmenter("RUN")  # or "EXPORT/1"
label = segmenter(nibabel.load("image.nii.gz"))
nibabel.save(label, "label.nii.gz")
"""

import pathlib
import warnings

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.inference.memory_errors import named_memory_errors
from tf_diffseg.metrics import voxel_ml
from tf_diffseg.preset_folder import ALONE, is_preset
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.segmentation.scan_notes import crop_note, intensity_notes
from tf_diffseg.runs.segmentation.segmentation_result import Segmentation
from tf_diffseg.runs.trained_models import TrainedModels, is_export, is_run, paths_with
from tf_diffseg.shipped_models import find_model, hiding_note, model_names
from tf_diffseg.volumes import image_like, smallest_type
from tf_diffseg.volumes.volume_files import image_of
from tf_diffseg.volumes.volume_limits import check_extent, check_resampled_size


class VolumeSegmenter:
    """Segments volumes as they lie in files; see `load_segmenter`.

    Attributes:
        class_names: name per class id, background first.
        label_values: label value per class id.
        num_channels: channels of the images.
        resampling: `ScanResampling` of the model.
        options: `InferenceOptions`.
    """

    def __init__(self, model, options):
        """Takes a `RunModel` or an `ExportModel`."""
        self._model = model
        self.class_names = model.class_names
        self.label_values = model.label_values
        self.num_channels = model.num_channels
        self.resampling = model.resampling
        self.options = options
        self._clean = options.post_processing(model.class_names, model.regions)

    def __call__(self, image):
        """Segments a nibabel image.

        Args:
            image: a spatial image of nibabel, [i, j, k] or [i, j, k, channels].

        Returns:
            Label map as an image of the same type and grid, with the header that
            `tf_diffseg.volumes` writes to files.

        Raises:
            InputError: as in `read_image` of `tf_diffseg.volumes`, and in `segment`.
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
            image: `Volume` from `read_image` or `image_of` of
                `tf_diffseg.volumes.volume_files`.
            with_uncertainty: whether to fill all of `Segmentation`.

        Returns:
            `Segmentation`.

        Raises:
            InputError: the image does not have the model's channels, or is too small
                or too large at the model's spacing.
        """
        self.check_channels(image)
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

    def check_channels(self, image):
        """Raises InputError if a `Volume` does not have the model's channels."""
        num_channels = image.array.shape[-1]
        if num_channels != self.num_channels:
            raise InputError(
                f"the model wants {self.num_channels} channel(s), {image.path} has "
                f"{num_channels}"
            )

    @property
    def saved_steps(self):
        """Mean number of reverse steps saved per window, or None without early exit."""
        return self._model.saved_steps

    def progress_of(self, name):
        """Context that shows the windows of a scan, if it takes long, as `name`."""
        return self._model.progress_of(name)

    def notes(self, image):
        """Lines of text to print before a `Volume` is segmented."""
        preprocessing = self.resampling.preprocessing_of(image.affine)
        crop = crop_note(image, preprocessing)
        notes = [note for note in (self.resampling.note(image), crop) if note]
        return notes + intensity_notes(image, preprocessing)

    def _check_grid(self, image):
        """Raises InputError if the resampled image is empty or too large."""
        preprocessing = self.resampling.preprocessing_of(image.affine)
        spacing_mm = preprocessing.get("spacing_mm")
        if spacing_mm is None:
            return
        check_extent(image, spacing_mm)
        from tf_diffseg.preprocessing import VolumePreprocessor

        preprocessor = VolumePreprocessor(**preprocessing)
        size = preprocessor.locate(image.array, image.affine).crop_box[1].numpy()
        check_resampled_size(
            image, image.grid_shape if (size < 0).any() else size, spacing_mm
        )

    def _cleaned(self, label, affine):
        clean = self._clean
        if not clean.is_active:
            return label
        # Cleaning takes class ids: background is 0, even if its label value is not.
        values = np.array(self.label_values)
        order = np.argsort(values)
        class_ids = order[np.searchsorted(values, label, sorter=order)]
        return values[clean(class_ids, voxel_ml(affine))].astype(label.dtype)


def load_segmenter(model, ensemble_with=(), **options):
    """Loads a model to segment with.

    Args:
        model: a run folder, a checkpoint in one, a preset of a run, the folder of an
            exported version, or the name of a model that comes with the package, such
            as "hippocampus".
        ensemble_with: one or several further runs or checkpoints for an ensemble.
        **options: the fields of `InferenceOptions`, such as num_samples.

    Returns:
        `VolumeSegmenter`.

    Raises:
        InputError: the path is none of these, the model cannot be read, or an option is
            out of range or does not apply.

    Example:
        >>> segmenter = load_segmenter(run, num_samples=2)
        >>> label = segmenter(nibabel.load("image.nii.gz"))
        >>> nibabel.save(label, "label.nii.gz")
    """
    chosen = InferenceOptions(**options)
    path = check_model(model)
    if is_run(path):
        return segmenter_of(TrainedModels(paths_with(path, ensemble_with), chosen))
    if ensemble_with:
        raise InputError(
            f"ensemble_with does not apply: `model={path}` is not a run folder",
            argument="ensemble_with",
        )
    from tf_diffseg.runs.segmentation.export_model import ExportModel

    return VolumeSegmenter(ExportModel(pathlib.Path(path), chosen), chosen)


def segmenter_of(trained):
    """`VolumeSegmenter` of `TrainedModels`."""
    from tf_diffseg.runs.segmentation.run_model import RunModel

    return VolumeSegmenter(RunModel(trained), trained.options)


def check_model(model):
    """Path of a model; raises InputError unless it may be a run or an export."""
    path = find_model(model)
    if is_run(path) or is_export(path):
        return path
    if is_preset(path):
        raise InputError(f"model={path} {ALONE}", argument="model")
    raise InputError(
        f"model={path}: expected a run folder or the folder of an exported version, "
        "as EXPORT/1; there is no config.json and no saved_model.pb in it. Names of "
        f"models that come with tf_diffseg: {', '.join(model_names()) or 'none'}"
        f"{hiding_note(model)}",
        argument="model",
    )
