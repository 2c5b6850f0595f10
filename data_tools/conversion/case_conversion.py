"""One case from its files to a serialized Example, in a worker process."""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from data_tools.conversion.case_size import check_record_size
from data_tools.conversion.case_statistics import (
    CaseMeasures,
    CaseSummary,
    count_values,
    measure_case,
    voxels_per_class,
)
from data_tools.conversion.staging import (
    Staging,
    read_json,
    write_example,
    write_json,
)
from data_tools.datasets.dataset import Case
from tf_diffseg.data.example_schema import example_bytes, example_parts, label_dtype
from tf_diffseg.errors import (
    CaseError,
    InputError,
    MachineError,
    is_of_machine,
    reading_error,
)
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.text import one_line, shown
from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS
from tf_diffseg.volumes.volume import check_extent, check_resampled_size
from tf_diffseg.volumes.volume_files import read_case

# Whose code decides what becomes of a case.
_PACKAGES = (
    "data_tools/conversion",
    "tf_diffseg/data",
    "tf_diffseg/preprocessing",
    "tf_diffseg/volumes",
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that decides how cases are converted, beside their files.

    Attributes:
        label_values: value in the label files per class id, ascending.
        num_channels: that the data set declares.
        preprocessing: config of the `VolumePreprocessor`.
        image_dtype: of `example_schema.IMAGE_DTYPES`.
        compression: "GZIP" or "".
        ignore_label: value in the label files of voxels without a class, or None.
    """

    label_values: list[int]
    num_channels: int
    preprocessing: dict
    image_dtype: str
    compression: str
    ignore_label: int | None = None

    @property
    def num_labels(self):
        """Class ids that a stored label may hold, that of ignored voxels included."""
        return len(self.label_values) + (self.ignore_label is not None)


@dataclasses.dataclass(frozen=True)
class Task:
    """A case and how a worker goes about it.

    Attributes:
        case: `dataset.Case`.
        key: its name in the staging folder.
        recipe: `Recipe`.
        staging: `Staging`.
    """

    case: Case
    key: str
    recipe: Recipe
    staging: Staging


@dataclasses.dataclass(frozen=True)
class ConvertedCase:
    """A case ready to be written.

    Attributes:
        uid: name of the case.
        parts: of the serialized Example, from `example_schema.example_parts`.
        summary: `CaseSummary`.
    """

    uid: str
    parts: list
    summary: CaseSummary

    @property
    def example(self):
        """The serialized Example."""
        return b"".join(self.parts)


def case_key(case, recipe):
    """Name for what comes of a case: another whenever that could be another.

    Args:
        case: `dataset.Case`, whose files' sizes and times count, not their content.
        recipe: `Recipe`, or what else decides.

    Returns:
        A hexadecimal digest.

    Raises:
        CaseError: if a file cannot be looked up.
        MachineError: if that is not the file's fault.
    """
    files = (*case.image_paths, case.label_path)
    try:
        states = [_file_states(path) for path in files]
    except OSError as error:
        kind = MachineError if is_of_machine(error) else CaseError
        raise kind(
            f"{_name(case)}: {error.filename} cannot be read: {error.strerror}"
        ) from error
    # Which split it is in decides where it goes, not what comes of it.
    named = case.uid, case.image_paths, case.label_path
    parts = [named, states, dataclasses.asdict(recipe), _code()]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _file_states(path):
    """Size and time of a file, or of each file in the folder of a DICOM series."""
    if not path.lower().endswith(VOLUME_ENDINGS) and os.path.isfile(path):
        path = os.path.dirname(path) or "."  # a file that stands for its series
    names = sorted(os.listdir(path)) if os.path.isdir(path) else None
    files = [path] if names is None else [os.path.join(path, name) for name in names]
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]


@functools.cache
def _code():
    """Digest of the code that converts: what another version began is not mixed in."""
    root = pathlib.Path(__file__).parents[2]
    digest = hashlib.sha256(f"{tf.__version__} {np.__version__}".encode())
    for package in _PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def to_class_ids(label, label_values, ignore_label=None):
    """Replaces the values of a label file by class ids.

    Args:
        label: `volume.Volume` of integers (i, j, k).
        label_values: declared value per class id, ascending.
        ignore_label: value of voxels without a class, or None.

    Returns:
        Class ids (i, j, k) of the smallest type that holds them; the one after the
        last stands for voxels without a class.

    Raises:
        InputError: if the file holds a value that is not declared.
    """
    num_classes = len(label_values)
    is_ignored = [] if ignore_label is None else [ignore_label]
    # Their place, were they all to stand in a row.
    values = [*label_values, *is_ignored]
    dtype = label_dtype(len(values))
    low, high = int(label.array.min()), int(label.array.max())
    if low >= 0 and high < len(values) and values == list(range(len(values))):
        return label.array.astype(dtype, copy=False)  # the values are the class ids
    if high - low >= 1 << 20:  # too many for a table
        present = np.unique(label.array)
        class_ids = np.searchsorted(label_values, label.array).astype(dtype)
        class_ids[np.isin(label.array, is_ignored)] = num_classes
    else:
        shifted = label.array - np.int32(low)
        present = low + np.flatnonzero(count_values(shifted, high - low + 1))
        table = np.searchsorted(label_values, np.arange(low, high + 1))
        table[np.isin(np.arange(low, high + 1), is_ignored)] = num_classes
        class_ids = table.astype(dtype)[shifted]
    undeclared = sorted(set(present.tolist()) - set(values))
    if undeclared:
        raise InputError(
            f"{label.path} holds the label value {', '.join(map(str, undeclared))}, "
            f"the data set declares {', '.join(map(str, label_values))}"
            f"{''.join(f' and ignores {value}' for value in is_ignored)}"
        )
    return class_ids


def _name(case):
    return f"case {shown(case.uid)}"


def _of_case(function):
    """Makes every error one line with the case's name.

    Among thousands, the name is what the user needs. Only what its files are to blame
    for is a `CaseError`: a good case must not be left out for want of memory, for a
    disk that fails or for a fault of this code.
    """

    @functools.wraps(function)
    def named(case, *arguments):
        try:
            return function(case, *arguments)
        except InputError as error:
            message = str(error)
            if not message.startswith(_name(case)):
                message = f"{_name(case)}: {message}"
            kind = MachineError if isinstance(error, MachineError) else CaseError
            raise kind(message) from error
        except Exception as error:
            raise MachineError(_unforeseen(case, "converted", error)) from error

    return named


def _unforeseen(case, what, error):
    files = ", ".join((*case.image_paths, case.label_path))
    reason = f"{type(error).__name__}: {one_line(error)}"
    return f"{_name(case)} ({files}) cannot be {what}: {reason}"


def _read(case, num_channels):
    try:
        return read_case(case, num_channels)
    except InputError:
        raise
    except Exception as error:  # what a reader does not expect of a file
        raise reading_error(_unforeseen(case, "read", error), error) from error


def _measured(case, label_values, num_channels, ignore_label):
    """`(image, class ids, CaseMeasures)`."""
    image, label = _read(case, num_channels)
    class_ids = to_class_ids(label, label_values, ignore_label)
    measures = measure_case(image, class_ids, len(label_values))
    remarks = [["header", note] for note in (*image.notes, *label.notes)]
    remarks += map(list, (*image.remarks, *label.remarks))
    return image, class_ids, dataclasses.replace(measures, remarks=remarks)


def _not_copied(tensor):
    return np.asarray(memoryview(tensor))


class _Preprocessing:
    """A `VolumePreprocessor` as graphs, which hold fewer volumes at a time."""

    def __init__(self, config, num_channels, num_labels):
        label_type = label_dtype(num_labels)
        preprocessor = VolumePreprocessor(**config)
        self.spacing_mm = preprocessor.spacing_mm
        volume = [None, None, None]
        image = tf.TensorSpec([*volume, num_channels])
        affine = tf.TensorSpec([4, 4])
        # Autograph would write a temporary file, on a disk that may be full.
        graph = functools.partial(tf.function, autograph=False)
        self._shape = preprocessor.processed_shape
        self._crop_box = graph(preprocessor.crop_box, [image, affine])
        self._image = graph(preprocessor.processed, [image, affine])

        def prepare_label(label, affine, crop_box):
            uncropped = preprocessor.uncropped_label(label, affine, crop_box)
            label = preprocessor.crop_label(uncropped)
            counts = tf.zeros([0], tf.int32)
            if preprocessor.volume_shape is not None:
                counts = tf.math.bincount(
                    tf.cast(tf.reshape(uncropped, [-1]), tf.int32)
                )
            return tf.cast(label, label_type), counts

        label_spec = tf.TensorSpec(volume, label_type)
        box = tf.TensorSpec([2, 3], tf.int32)
        self._label = graph(prepare_label, [label_spec, affine, box])

    @classmethod
    def of(cls, recipe):
        """That of a `Recipe`, traced once in a process."""
        return cls._cached(
            json.dumps(recipe.preprocessing),
            recipe.num_channels,
            recipe.num_labels,
        )

    @staticmethod
    @functools.cache
    def _cached(config, *numbers):
        return _Preprocessing(json.loads(config), *numbers)

    def crop_box(self, image, affine):
        """As `VolumePreprocessor.crop_box` of a tensor, an array."""
        return self._crop_box(image, affine.astype(np.float32)).numpy()

    def shape(self, source_shape, affine, crop_box):
        """As `VolumePreprocessor.processed_shape`, a tuple."""
        affine = affine.astype(np.float32)
        return tuple(self._shape(source_shape, affine, crop_box).numpy().tolist())

    def image(self, image, affine):
        """As `VolumePreprocessor.processed` of a tensor, arrays."""
        image, affine, is_flat = self._image(image, affine.astype(np.float32))
        return _not_copied(image), affine.numpy(), is_flat.numpy()

    def label(self, class_ids, affine, crop_box, num_classes):
        """Class ids on the processed grid, and voxels per class before and after.

        Before is before the crop to `volume_shape`.
        """
        label, counts = self._label(class_ids, affine.astype(np.float32), crop_box)
        label = _not_copied(label)
        stored = voxels_per_class(label, num_classes)
        if not counts.shape[0]:
            return label, stored, stored
        # Up to the largest id that is there, that of ignored voxels included.
        counts = [*counts.numpy().tolist(), *[0] * num_classes][:num_classes]
        return label, counts, stored


@_of_case
def measured_case(case, label_values, num_channels, ignore_label=None):
    """Reads, checks and measures one case.

    Args:
        case: `dataset.Case`.
        label_values: value in the label file per class id.
        num_channels: that the data set declares.
        ignore_label: value of voxels without a class, or None.

    Returns:
        `CaseMeasures`.

    Raises:
        CaseError: as `convert_case`.
    """
    return _measured(case, label_values, num_channels, ignore_label)[-1]


def _constant_channels(image):
    low, high = image.min(axis=(0, 1, 2)), image.max(axis=(0, 1, 2))
    return np.flatnonzero(low == high).tolist()


@_of_case
def convert_case(case, recipe):
    """Reads, checks and preprocesses one case.

    Args:
        case: `dataset.Case`.
        recipe: `Recipe`.

    Returns:
        A `ConvertedCase`.

    Raises:
        CaseError: if a file is not as it must be.
        MachineError: if anything else goes wrong with this case.
    """
    image, class_ids, measures = _measured(
        case, recipe.label_values, recipe.num_channels, recipe.ignore_label
    )
    num_classes = len(recipe.label_values)
    preprocess = _Preprocessing.of(recipe)
    # A tensor is a copy: one for all that follows, and the array goes.
    image = dataclasses.replace(image, array=tf.constant(image.array))
    crop_box = preprocess.crop_box(image.array, image.affine)
    size = crop_box[1]
    cropped_shape = image.grid_shape if (size < 0).any() else size
    check_extent(image, preprocess.spacing_mm)
    check_resampled_size(image, cropped_shape, preprocess.spacing_mm)
    shape = preprocess.shape(image.grid_shape, image.affine, crop_box)
    record_bytes = example_bytes(
        (*shape, recipe.num_channels),
        class_ids.shape,
        recipe.num_labels,
        recipe.image_dtype,
    )
    check_record_size(image.path, shape, record_bytes)
    label, uncropped_voxels, stored_voxels = preprocess.label(
        class_ids, image.affine, crop_box, num_classes
    )
    processed, affine, is_flat = preprocess.image(image.array, image.affine)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    source_affine = image.affine
    del image  # Memory: what is not needed any more goes at once.
    parts = example_parts(
        uid=case.uid,
        image=processed,
        label=label,
        spacing_mm=spacing_mm,
        source_affine=source_affine,
        source_label=class_ids,
        num_classes=recipe.num_labels,
        crop_box=crop_box,
        image_dtype=recipe.image_dtype,
    )
    summary = CaseSummary(
        measures=measures,
        shape=list(label.shape),
        spacing_mm=spacing_mm.tolist(),
        uncropped_voxels=uncropped_voxels,
        stored_voxels=stored_voxels,
        constant_channels=_constant_channels(processed),
        flat_channels=np.flatnonzero(is_flat).tolist(),
    )
    return ConvertedCase(case.uid, parts, summary)


def _told(function):
    """Makes a task give what is wrong with its case, in place of raising it."""

    @functools.wraps(function)
    def told(task):
        try:
            function(task)
        except CaseError as error:
            return str(error)
        return None

    return told


@_told
def stage_measures(task):
    """Measures the case of a `Task` into its staging folder.

    Returns:
        None, or what is wrong with the case.
    """
    recipe = task.recipe
    measures = measured_case(
        task.case, recipe.label_values, recipe.num_channels, recipe.ignore_label
    )
    path = task.staging.measures_path(task.key)
    write_json(path, dataclasses.asdict(measures))


def staged_measures(staging, key):
    """What `stage_measures` wrote, or None."""
    fields = read_json(staging.measures_path(key))
    return fields and CaseMeasures(**fields)


@_told
def stage_case(task):
    """Converts the case of a `Task` into its staging folder.

    Returns:
        None, or what is wrong with the case.
    """
    staging = task.staging
    converted = convert_case(task.case, task.recipe)
    record_path = staging.record_path(task.key)
    write_example(record_path, converted.parts, task.recipe.compression)
    # Last: a case with figures has its record.
    figures = dataclasses.asdict(converted.summary)
    write_json(staging.figures_path(task.key), figures)
