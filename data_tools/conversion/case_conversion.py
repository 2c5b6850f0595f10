"""Converts one case from its files to a serialized Example, in a worker process."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from data_tools.conversion.case_preprocessing import CasePreprocessing
from data_tools.conversion.case_statistics import (
    CaseMeasures,
    CaseSummary,
    measure_case,
    voxels_per_class,
)
from data_tools.conversion.class_ids import to_class_ids
from data_tools.conversion.tfrecord import write_example
from tf_diffseg.data.example_schema import example_bytes, example_parts
from tf_diffseg.data.example_wire import LARGEST_EXAMPLE_BYTES
from tf_diffseg.errors import CaseError, InputError, MachineError, reading_error
from tf_diffseg.text import one_line, read_json, shown
from tf_diffseg.volumes.volume_files import read_case
from tf_diffseg.volumes.volume_limits import check_extent, check_resampled_size
from tf_diffseg.whole_files import write_json


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything but the files of a case that decides how it is converted.

    Attributes:
        label_values: value in the label files per class id, ascending.
        num_channels: number of channels that the data set declares.
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

    @classmethod
    def of(cls, dataset, preprocessing, image_dtype, compression=""):
        """The recipe for the cases of a `dataset.Dataset`."""
        return cls(
            label_values=dataset.label_values,
            num_channels=len(dataset.channel_names),
            preprocessing=preprocessing,
            image_dtype=image_dtype,
            compression=compression,
            ignore_label=dataset.ignore_label,
        )

    @property
    def num_labels(self):
        """Number of class ids in a stored label, with the one of ignored voxels."""
        return len(self.label_values) + (self.ignore_label is not None)


@dataclasses.dataclass(frozen=True)
class Task:
    """A case to convert.

    Attributes:
        case: `dataset.Case`.
        key: its name in the staging folder.
        recipe: `Recipe`.
        staging: `staging.Staging`.
    """

    case: object
    key: str
    recipe: Recipe
    staging: object


@dataclasses.dataclass(frozen=True)
class ConvertedCase:
    """A case that can be written to a shard.

    Attributes:
        uid: name of the case.
        parts: parts of the serialized Example, from `example_schema.example_parts`.
        summary: `CaseSummary`.
    """

    uid: str
    parts: list
    summary: CaseSummary

    @property
    def example(self):
        """The serialized Example."""
        return b"".join(self.parts)


def _naming_the_case(function):
    """Makes every error one line that starts with the case's name.

    Only a fault of its files is a `CaseError`: a good case must not be left out because
    memory runs out, a disk fails or this code has a bug.
    """

    @functools.wraps(function)
    def wrapped(case, recipe):
        try:
            return function(case, recipe)
        except InputError as error:
            message, name = str(error), f"case {shown(case.uid)}"
            if not message.startswith(name):
                message = f"{name}: {message}"
            kind = MachineError if isinstance(error, MachineError) else CaseError
            raise kind(message) from error
        except Exception as error:
            raise MachineError(_unforeseen(case, "converted", error)) from error

    return wrapped


def _unforeseen(case, action, error):
    files = ", ".join((*case.image_paths, case.label_path))
    reason = f"{type(error).__name__}: {one_line(error)}"
    return f"case {shown(case.uid)} ({files}) cannot be {action}: {reason}"


def _read(case, num_channels):
    try:
        return read_case(case, num_channels)
    except InputError:
        raise
    except Exception as error:  # the reader does not expect such a file
        raise reading_error(_unforeseen(case, "read", error), error) from error


def _read_and_measure(case, recipe):
    """`(image, class ids, CaseMeasures)`."""
    image, label = _read(case, recipe.num_channels)
    class_ids = to_class_ids(label, recipe.label_values, recipe.ignore_label)
    measures = measure_case(image, class_ids, len(recipe.label_values))
    remarks = [["header", note] for note in (*image.notes, *label.notes)]
    remarks += map(list, (*image.remarks, *label.remarks))
    return image, class_ids, dataclasses.replace(measures, remarks=remarks)


@_naming_the_case
def measured_case(case, recipe):
    """`CaseMeasures` of one case; arguments and errors are those of `convert_case`."""
    return _read_and_measure(case, recipe)[-1]


@_naming_the_case
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
    image, class_ids, measures = _read_and_measure(case, recipe)
    preprocess = CasePreprocessing.of(
        recipe.preprocessing, recipe.num_channels, recipe.num_labels
    )
    # A tensor is a copy: everything below shares this one, and the array is freed.
    image = dataclasses.replace(image, array=tf.constant(image.array))
    source = preprocess.locate(image.array, image.affine)
    _check_size(image, class_ids, source, preprocess, recipe)
    label, uncropped_voxels = preprocess.label(class_ids, source)
    processed, affine, is_flat = preprocess.image(image.array, source)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    del image  # frees its memory before the Example is made
    parts = example_parts(
        uid=case.uid,
        image=processed,
        label=label,
        spacing_mm=spacing_mm,
        source_affine=source.affine,
        source_label=class_ids,
        num_classes=recipe.num_labels,
        crop_box=source.crop_box,
        image_dtype=recipe.image_dtype,
    )
    num_classes = len(recipe.label_values)
    stored_voxels = voxels_per_class(label, num_classes)
    summary = CaseSummary(
        measures=measures,
        shape=list(label.shape),
        spacing_mm=spacing_mm.tolist(),
        uncropped_voxels=(uncropped_voxels or stored_voxels)[:num_classes],
        stored_voxels=stored_voxels,
        constant_channels=_constant_channels(processed),
        flat_channels=np.flatnonzero(is_flat).tolist(),
    )
    return ConvertedCase(case.uid, parts, summary)


def _check_size(image, class_ids, source, preprocess, recipe):
    """Raises InputError if the memory or a record cannot hold the processed case."""
    size = source.crop_box[1].numpy()
    cropped_shape = image.grid_shape if (size < 0).any() else size
    check_extent(image, preprocess.spacing_mm)
    check_resampled_size(image, cropped_shape, preprocess.spacing_mm)
    shape = preprocess.shape(source)
    num_bytes = example_bytes(
        (*shape, recipe.num_channels),
        class_ids.shape,
        recipe.num_labels,
        recipe.image_dtype,
    )
    if num_bytes > LARGEST_EXAMPLE_BYTES:
        raise InputError(
            f"{image.path} is too large: its {'x'.join(map(str, shape))} processed "
            f"voxels make a record of {num_bytes / 2**30:.1f} GiB, it cannot take more "
            f"than {LARGEST_EXAMPLE_BYTES / 2**30:.0f} GiB: give a smaller "
            "`volume_shape` or a coarser `spacing_mm`, or `intensity=none` where whole "
            "numbers can stay as they are"
        )


def _constant_channels(image):
    low, high = image.min(axis=(0, 1, 2)), image.max(axis=(0, 1, 2))
    return np.flatnonzero(low == high).tolist()


def _returning_case_errors(function):
    """Makes a task return the message of a `CaseError`, or None if there is none."""

    @functools.wraps(function)
    def wrapped(task):
        try:
            function(task)
        except CaseError as error:
            return str(error)
        return None

    return wrapped


@_returning_case_errors
def stage_measures(task):
    """Measures the case of a `Task` into its staging folder.

    Returns:
        None, or what is wrong with the case.
    """
    measures = measured_case(task.case, task.recipe)
    write_json(task.staging.measures_path(task.key), dataclasses.asdict(measures))


def staged_measures(staging, key):
    """The `CaseMeasures` that `stage_measures` wrote."""
    return CaseMeasures(**read_json(staging.measures_path(key)))


@_returning_case_errors
def stage_case(task):
    """Converts the case of a `Task` into its staging folder.

    Returns:
        None, or what is wrong with the case.
    """
    converted = convert_case(task.case, task.recipe)
    record_path = task.staging.record_path(task.key)
    write_example(record_path, converted.parts, task.recipe.compression)
    # The figures come last, so a case with figures has its record.
    summary = dataclasses.asdict(converted.summary)
    write_json(task.staging.figures_path(task.key), summary)


def staged_summary(staging, key):
    """The `CaseSummary` that `stage_case` wrote."""
    return CaseSummary.from_json(read_json(staging.figures_path(key)))
