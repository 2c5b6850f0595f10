"""Reads the header of one DICOM file with pydicom, without its pixels."""

import contextlib
import dataclasses
import logging
import warnings

from tf_diffseg.errors import InputError, reading_error
from tf_diffseg.text import one_line
from tf_diffseg.volumes.simpleitk import reason_to_install

_MAGIC = b"DICM"  # follows 128 bytes of anything
# Files without these 128 bytes begin with the group of their first tag.
_FIRST_GROUPS = (b"\x02\0", b"\x08\0")

# Private tags by which mosaics of Siemens and United Imaging are known if their
# ImageType does not tell.
_SIEMENS_CREATOR, _SIEMENS_NUMBER = (0x0019, 0x0010), (0x0019, 0x100A)
_UNITED_IMAGING_FRAMES = (0x0065, 0x1050)
_MOSAIC_TYPES = {"MOSAIC", "VFRAME"}

# Tags that tell images of one place apart. Messages name the first that differs.
_DISTINCTIONS = (
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "EchoTime",
    "EchoNumbers",
    "DiffusionBValue",
    "FlipAngle",
    "InversionTime",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "ImageType",
    "AcquisitionTime",
    "ContentTime",
    "InstanceNumber",
)

# How many numbers a slice must have in each of these tags.
GEOMETRY = {
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "PixelSpacing": 2,
}

_TAGS = [
    *GEOMETRY,
    *_DISTINCTIONS,
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"),
    *("SeriesNumber", "SeriesDescription", "Modality", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *(_SIEMENS_CREATOR, _SIEMENS_NUMBER, _UNITED_IMAGING_FRAMES),
]


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of a DICOM file; its values are not checked.

    Attributes:
        path: path of the file.
        kind: name of the SOP class, such as "CT Image" or "RT Structure Set"; the
            number of a private class, or "" without a class.
        uid: SOPInstanceUID, or the path.
        series: SeriesInstanceUID.
        number: SeriesNumber, or "".
        description: SeriesDescription, or "".
        num_frames: number of pictures in the file.
        is_mosaic: whether the picture shows several slices side by side.
        shape: columns and rows; zeros without pixels.
        components: numbers per pixel.
        photometric: PhotometricInterpretation.
        geometry: dict from each tag of `GEOMETRY` to its list of numbers.
        details: dict from each tag that tells images of one place apart to its text.
    """

    path: str
    kind: str
    uid: str
    series: str
    number: str
    description: str
    num_frames: int
    is_mosaic: bool
    shape: tuple[int, int]
    components: int
    photometric: str
    geometry: dict[str, list[float]]
    details: dict[str, str]

    @property
    def is_image(self):
        """Whether the file holds an image, or may hold one: its class has no name."""
        has_name = any(character.isalpha() for character in self.kind)
        return self.kind.endswith("Image") or not has_name

    @property
    def is_picture(self):
        """Whether the file holds one picture of one slice."""
        return self.num_frames == 1 and not self.is_mosaic


def load_pydicom(path):
    """Imports pydicom to read the file `path`; raises InputError without pydicom."""
    try:
        import pydicom
    except ImportError as error:
        raise InputError(reason_to_install(path, "pydicom", error)) from error
    return pydicom


def is_dicom(path):
    """Whether a file can be opened and says that it is DICOM."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        return file.read(132)[128:] == _MAGIC
    return False


@contextlib.contextmanager
def reading(path, what):
    """Turns every error of reading a file into an `InputError`."""
    # The code here reports what matters itself; pydicom need not.
    logger = logging.getLogger("pydicom")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:  # damage can cause an error of any kind
        raise reading_error(f"{path} {what}: {one_line(error)[:300]}", error) from error
    finally:
        logger.disabled = before


def read_header(path):
    """Reads the header of a file of any kind.

    Returns:
        `Header`, or None if the file is not DICOM.

    Raises:
        InputError: the DICOM file is damaged, or pydicom is not installed.
    """
    with reading(path, "cannot be read as DICOM"):
        with open(path, "rb") as file:
            start = file.read(132)
        is_named = start[128:] == _MAGIC
        if not is_named and start[:2] not in _FIRST_GROUPS:
            return None
        pydicom = load_pydicom(path)
        dataset = pydicom.dcmread(
            path, force=True, stop_before_pixels=True, specific_tags=_TAGS
        )
        if not is_named and "SOPClassUID" not in dataset:
            return None
        header = _header(path, dataset)
    if header.is_image and 0 in header.shape:
        # Only a file of a private class may be an image and have no pixels.
        if header.kind.endswith("Image") or not header.kind:
            raise InputError(f"{path} is damaged: it ends before its Rows and Columns")
        return dataclasses.replace(header, kind=f"class {header.kind}")
    return header


def _header(path, dataset):
    def text(name):
        return "/".join(map(str, _values(dataset.get(name)))).strip("\0 ")

    def number(name, default):
        value = dataset.get(name)
        return default if value is None else int(value)

    meta = getattr(dataset, "file_meta", {})
    sop_class = dataset.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    kind = str(getattr(sop_class, "name", sop_class or ""))
    return Header(
        path=path,
        kind=kind.removesuffix(" Storage"),
        uid=text("SOPInstanceUID") or path,
        series=text("SeriesInstanceUID"),
        number=text("SeriesNumber"),
        description=text("SeriesDescription"),
        num_frames=number("NumberOfFrames", 1),
        is_mosaic=_is_mosaic(dataset),
        shape=(number("Columns", 0), number("Rows", 0)),
        components=number("SamplesPerPixel", 1),
        photometric=text("PhotometricInterpretation") or "MONOCHROME2",
        geometry={
            name: list(map(float, _values(dataset.get(name)))) for name in GEOMETRY
        },
        details={name: text(name) for name in _DISTINCTIONS},
    )


def _is_mosaic(dataset):
    kinds = {str(kind).upper() for kind in _values(dataset.get("ImageType"))}
    is_siemens = "SIEMENS" in str(_private(dataset, _SIEMENS_CREATOR)).upper()
    tiles = _private(dataset, _SIEMENS_NUMBER) if is_siemens else None
    return bool(
        kinds & _MOSAIC_TYPES
        or (tiles and _whole_number(tiles) > 1)
        or _private(dataset, _UNITED_IMAGING_FRAMES)
    )


def _private(dataset, tag):
    return dataset[tag].value if tag in dataset else None


def _whole_number(value):
    """Converts a private value; pydicom gives bytes if its type is not known."""
    if isinstance(value, bytes):
        return int.from_bytes(value[:2], "little")
    return int(value)


def _values(value):
    """Lists the values of a tag, which may have none, one or several."""
    if value is None or isinstance(value, str | bytes):
        return [value] if value else []
    return list(value) if hasattr(value, "__iter__") else [value]
