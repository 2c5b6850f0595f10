"""Writes DICOM files for tests, tag by tag, with pydicom."""

import numpy as np

CT = "1.2.840.10008.5.1.4.1.1.2"
SPACING = (0.8, 1.5, 2.5)  # column, row, slice

# A value of None leaves a tag out.
_TAGS = {
    "Modality": "CT",
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.4",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [SPACING[1], SPACING[0]],
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
}


def write_dicom(path, sop_class=CT, **tags):
    """Writes a file of a class with the given tags only."""
    # An extra installs pydicom; tests without DICOM do not need it.
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = tags.get("SOPInstanceUID") or generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    for name, value in tags.items():
        if value is not None:
            setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_slice(path, stored, z=0.0, **tags):
    """Writes a slice.

    Args:
        path: path of the file.
        stored: integers (column, row) to store.
        z: third coordinate of its position.
        **tags: tags to add or to replace.
    """
    bits = stored.dtype.itemsize * 8
    described = {
        **_TAGS,
        "ImagePositionPatient": [-10.0, 20.0, z],
        "Columns": stored.shape[0],
        "Rows": stored.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": tags.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "PixelData": np.ascontiguousarray(stored.T).tobytes(),
    }
    return write_dicom(path, **{**described, **tags})


def write_stack(folder, stored, positions=None, **tags):
    """Writes each slice of (column, row, slice); functions in tags get its index."""
    for index in range(stored.shape[2]):
        z = SPACING[2] * index if positions is None else positions[index]
        of_slice = {
            name: value(index) if callable(value) else value
            for name, value in tags.items()
        }
        write_slice(folder / f"IM{index:04d}", stored[:, :, index], z, **of_slice)
    return folder


def rescaled(folder):
    """Reads voxels (column, row, slice) with pydicom, in the order of file names."""
    import pydicom

    slices = []
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        slices.append(pydicom.pixels.apply_rescale(dataset.pixel_array, dataset).T)
    return np.stack(slices, axis=-1)
