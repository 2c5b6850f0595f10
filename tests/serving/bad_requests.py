"""Requests that an `ExportedToy` must refuse, and what it must say."""

import gzip

import nibabel as nib
import numpy as np

from tests.serving.exported_toy import SEEDS, nifti_files, preprocessed, volumes

MAX_VOXELS = 100_000


def _with(array, value):
    changed = array.copy()
    changed[1, 2, 2, 2] = value
    return changed


def _huge_file():
    """Claims more voxels than any machine could hold, in 400 bytes."""
    file = bytearray(nifti_files(compressed=False)[0][:400])
    file[40:56] = np.array([3, 30000, 30000, 30000, 1, 1, 1, 1], "<i2").tobytes()
    return gzip.compress(bytes(file))


def _other_shape():
    return nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.eye(4)).to_bytes()


def _nan_file():
    voxels = np.full((9, 7, 8), np.nan, np.float32)
    return nib.Nifti1Image(voxels, np.eye(4)).to_bytes()


def bad_requests():
    """Dict from a name to (signature, inputs, regular expression of the message)."""
    image, (raw, affine), files = preprocessed(), volumes(), nifti_files()
    default = {"image": image, "seed": SEEDS}
    volume = {"image": raw, "affine": affine, "seed": SEEDS}
    nifti = {"contents": files, "seed": SEEDS}
    bad = {
        "serving_default": {
            "zero size": (default | {"image": image[:, :0]}, "image to hold voxels"),
            "no volumes": (
                {"image": image[:0], "seed": SEEDS[:0]},
                "image to hold voxels, got the shape 0x7x6x5x1",
            ),
            "NaN": (
                default | {"image": _with(image, np.nan)},
                "finite voxels in image",
            ),
            "infinite": (default | {"image": _with(image, np.inf)}, "finite voxels"),
            "huge": (
                default | {"image": np.zeros((2, 40, 40, 40, 1), np.float32)},
                "at most 100000 voxels in image, got 2 of 40x40x40",
            ),
            "seeds": (default | {"seed": SEEDS[:1]}, r"one seed for each of 2 volume"),
        },
        "segment_volume": {
            "zero size": (volume | {"image": raw[..., :0, :]}, "image to hold voxels"),
            "NaN": (volume | {"image": _with(raw, np.nan)}, "finite voxels in image"),
            "huge": (
                volume | {"image": np.zeros((2, 40, 40, 40, 1), np.float32)},
                "at most 100000 voxels in image",
            ),
            "affines": (volume | {"affine": affine[:1]}, "one affine for each of 2"),
            "singular": (volume | {"affine": 0.0 * affine}, "last row 0 0 0 1"),
            "NaN affine": (volume | {"affine": np.nan * affine}, "a finite affine"),
            "flat": (
                volume | {"affine": affine * np.array([1, 1, 0, 1], np.float32)},
                "a spacing of 1e-05 to 1000 mm by the affine",
            ),
            "huge by its affine": (
                volume | {"affine": affine * np.float32([9, 9, 9, 1])},
                "at most 100000 voxels on the way to the grid of the network",
            ),
        },
        "segment_nifti": {
            "no files": (
                {"contents": np.array([], object), "seed": SEEDS[:0]},
                "contents of a file",
            ),
            "unreadable": (
                nifti | {"contents": [files[0], b"text"]},
                "bytes of a .nii",
            ),
            "cut off": (nifti | {"contents": [files[0], files[1][:-9]]}, "cut off"),
            "huge": (nifti | {"contents": [_huge_file()] * 2}, "at most 100000 voxels"),
            "shapes": (
                nifti | {"contents": [files[0], _other_shape()]},
                "volumes of one shape in one request",
            ),
            "NaN": (nifti | {"contents": [_nan_file()] * 2}, "finite voxels in the"),
            "seeds": (nifti | {"seed": SEEDS[:1]}, "one seed for each of 2"),
        },
    }
    return {
        f"{signature}: {name}": (signature, inputs, message)
        for signature, named in bad.items()
        for name, (inputs, message) in named.items()
    }


def wrong_ranks():
    """As `bad_requests`: of a server alone, Python looks at the shapes by itself."""
    image, (raw, affine) = preprocessed(), volumes()
    default = {"image": image, "seed": SEEDS}
    volume = {"image": raw, "affine": affine, "seed": SEEDS}
    expected = r"expected shape \[\?,\?,\?,\?,1\]"
    return {
        "rank 4": ("serving_default", default | {"image": image[0]}, expected),
        "rank 0": ("serving_default", default | {"image": image[0, 0, 0, 0, 0]}, "."),
        "channels": (
            "serving_default",
            default | {"image": np.concatenate([image, image], -1)},
            expected,
        ),
        "seed": ("serving_default", default | {"seed": SEEDS[0]}, r"expected shape"),
        "volume": ("segment_volume", volume | {"image": raw[..., 0]}, expected),
        "affine": (
            "segment_volume",
            volume | {"affine": affine[:, :3]},
            r"expected shape \[\?,4,4\]",
        ),
        "contents": (
            "segment_nifti",
            {"contents": [nifti_files()], "seed": SEEDS},
            "expected shape",
        ),
    }
