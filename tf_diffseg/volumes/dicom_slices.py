"""Reads the slice in a DICOM file: its place in the world and its pixels.

GDCM decompresses compressed pixels.
"""

import dataclasses

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.text import shown
from tf_diffseg.volumes.dicom_files import GEOMETRY, load_pydicom, reading
from tf_diffseg.volumes.simpleitk import reason_to_install

# Files round the cosines of an orientation to a few digits.
_COSINE_TOLERANCE = 1e-2

_TO_VOLUME = "convert it to NIfTI, as with dcm2niix"


@dataclasses.dataclass(frozen=True)
class Slice:
    """A picture of grey values with its place in the world.

    Attributes:
        path: path of its file.
        uid: SOPInstanceUID of the picture.
        shape: columns and rows.
        spacing_mm: distance of columns and of rows.
        origin: float64 (3,), centre of the first pixel in mm, in LPS+.
        directions: float64 (3, 3). Its columns are unit vectors along a row, along a
            column and along their normal.
        details: `details` of its `Header`.
    """

    path: str
    uid: str
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    origin: np.ndarray
    directions: np.ndarray
    details: dict[str, str]


def slice_of(header):
    """Makes the `Slice` of a file from its `Header`.

    Raises:
        InputError: the file holds several slices or colours, or its header does not
            tell where the slice lies.
    """
    path = header.path
    if header.is_mosaic:
        raise InputError(
            f"{path} is a mosaic (ImageType {header.details['ImageType']}): the slices "
            "of a volume side by side in one picture, expected one slice in a file; "
            f"{_TO_VOLUME}"
        )
    if header.num_frames != 1:
        raise InputError(
            f"{path} is a multi-frame image ({header.kind or 'DICOM'}, "
            f"{header.num_frames} frames), expected one slice in a file; {_TO_VOLUME}"
        )
    is_grey = header.photometric.upper().startswith("MONOCHROME")
    if header.components != 1 or not is_grey:
        raise InputError(
            f"{path} holds pixels of {header.components} component(s) "
            f"({shown(header.photometric)}), expected grey values"
        )
    origin, cosines, (rows_mm, columns_mm) = (
        _geometry(header, name) for name in GEOMETRY
    )
    cosines = cosines.reshape(2, 3)
    if not np.allclose(cosines @ cosines.T, np.eye(2), atol=_COSINE_TOLERANCE):
        raise InputError(
            f"{path}: ImageOrientationPatient is {cosines.ravel().tolist()}, expected "
            "two unit vectors at right angles"
        )
    cosines = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
    return Slice(
        path=path,
        uid=header.uid,
        shape=header.shape,
        spacing_mm=(float(columns_mm), float(rows_mm)),
        origin=origin,
        directions=np.stack([*cosines, np.cross(*cosines)], axis=1),
        details=header.details,
    )


def _geometry(header, name):
    values, count = header.geometry[name], GEOMETRY[name]
    if len(values) != count:
        raise InputError(
            f"{header.path} does not tell where in space its slice lies: {name} has "
            f"{len(values)} value(s), expected {count}"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{header.path}: {name} is {values}, expected finite numbers")
    return np.array(values)


def pixels(one):
    """Reads the pixels of a `Slice`.

    Returns:
        float32 (column, row): the stored values times slope plus intercept, or mapped
        by the modality's table. The photometric interpretation changes nothing.

    Raises:
        InputError: the pixels, or a tag that tells how to read them, are damaged.
    """
    pydicom = load_pydicom(one.path)
    with reading(one.path, "is damaged"):
        dataset = pydicom.dcmread(one.path, force=True)
        array = _decoded(one.path, dataset)
        if array.shape != one.shape[::-1]:
            raise InputError(
                f"{one.path} is damaged: its pixels are {array.shape}, expected "
                f"{one.shape[::-1]}"
            )
        stored, high = dataset.get("BitsStored"), dataset.get("HighBit")
        if None not in (stored, high) and high != stored - 1:
            raise InputError(
                f"{one.path}: HighBit is {high} and BitsStored {stored}, expected "
                f"HighBit {stored - 1}"
            )
        if dataset.get("ModalityLUTSequence"):
            from pydicom.pixels import apply_modality_lut

            array = apply_modality_lut(array, dataset)
        else:
            slope = _scale(one.path, dataset, "RescaleSlope", 1.0)
            intercept = _scale(one.path, dataset, "RescaleIntercept", 0.0)
            array = array.astype(np.float64) * slope + intercept
    with np.errstate(over="ignore"):  # the caller refuses infinite pixels
        return array.T.astype(np.float32)


def _decoded(path, dataset):
    """Returns the stored pixels (rows, columns)."""
    from pydicom import uid
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:  # old files do not tell; pydicom has found it out
        is_implicit, is_little = dataset.original_encoding
        explicit = uid.ExplicitVRLittleEndian if is_little else uid.ExplicitVRBigEndian
        syntax = uid.ImplicitVRLittleEndian if is_implicit else explicit
        dataset.file_meta.TransferSyntaxUID = syntax
    if not syntax.is_compressed:
        return dataset.pixel_array
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or (syntax.is_encapsulated and not decoder.is_available):
        raise InputError(
            reason_to_install(path, "python-gdcm", f"pixels in {syntax.name}")
        )
    try:
        return dataset.pixel_array
    except RuntimeError as error:
        raise InputError(
            f"{path} is damaged: its pixels in {syntax.name} cannot be decompressed"
        ) from error


def _scale(path, dataset, name, default):
    value = dataset.get(name)
    value = default if value is None else float(value)
    if not np.isfinite(value) or (name == "RescaleSlope" and value == 0.0):
        raise InputError(f"{path}: {name} is {value:g}, expected a number to scale by")
    return value
