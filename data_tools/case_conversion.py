"""One case from its files to a serialized Example, in a worker process."""

import dataclasses

import numpy as np

from data_tools.case_statistics import CaseSummary, describe_intensity
from data_tools.errors import InputError
from data_tools.volume_files import read_case
from tf_diffseg.data.example_schema import encode_example
from tf_diffseg.preprocessing import VolumePreprocessor


@dataclasses.dataclass(frozen=True)
class ConvertedCase:
    """A case ready to be written."""

    uid: str
    example: bytes
    summary: CaseSummary


def to_class_ids(uid, label, label_values):
    """Replaces the values of a label file by class ids.

    Args:
        uid: name of the case, for the message.
        label: `volume.Volume` of integers (i, j, k).
        label_values: declared value per class id, ascending.

    Returns:
        int32 (i, j, k).

    Raises:
        InputError: if the file holds a value that is not declared.
    """
    undeclared = sorted(set(np.unique(label.array).tolist()) - set(label_values))
    if undeclared:
        raise InputError(
            f"case {uid}: {label.path} holds the label value "
            f"{', '.join(map(str, undeclared))}, dataset.json declares "
            f"{', '.join(map(str, label_values))}"
        )
    return np.searchsorted(label_values, label.array).astype(np.int32)


def convert_case(case, label_values, num_channels, preprocessing):
    """Reads, checks and preprocesses one case.

    Args:
        case: `dataset.Case`.
        label_values: value in the label file per class id.
        num_channels: that the data set declares.
        preprocessing: config of the `VolumePreprocessor`.

    Returns:
        A `ConvertedCase`.

    Raises:
        InputError: if a file is not as it must be, or anything else goes wrong
            with this case: among thousands, its name is what the user needs.
    """
    try:
        return _convert(case, label_values, num_channels, preprocessing)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"case {case.uid} ({', '.join((*case.image_paths, case.label_path))}) "
            f"cannot be converted: {type(error).__name__}: {reason}"
        ) from error


def _convert(case, label_values, num_channels, preprocessing):
    image, label = read_case(case, num_channels)
    class_ids = to_class_ids(case.uid, label, label_values)
    preprocessor = VolumePreprocessor(**preprocessing)
    processed, affine = preprocessor(image.array, image.affine)
    crop_box = preprocessor.crop_box(image.array, image.affine)
    uncropped_label = preprocessor.uncropped_label(class_ids, image.affine, crop_box)
    processed_label = preprocessor.crop_label(uncropped_label).numpy()
    example = encode_example(
        uid=case.uid,
        image=processed.numpy(),
        label=processed_label,
        spacing_mm=np.linalg.norm(affine.numpy()[:3, :3], axis=0),
        source_affine=image.affine,
        source_label=class_ids,
        num_classes=len(label_values),
        crop_box=crop_box.numpy(),
    )
    summary = CaseSummary(
        source_shape=list(class_ids.shape),
        source_spacing_mm=image.spacing_mm.tolist(),
        shape=list(processed_label.shape),
        intensity=describe_intensity(image.array),
        voxels_per_class=np.bincount(
            class_ids.ravel(), minlength=len(label_values)
        ).tolist(),
        cropped_voxels=int(
            np.count_nonzero(uncropped_label) - np.count_nonzero(processed_label)
        ),
    )
    return ConvertedCase(case.uid, example, summary)
