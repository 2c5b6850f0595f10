"""Requests that an `ExportedToy` must refuse, and the expected messages."""

import gzip

import nibabel as nib
import numpy as np

from tests.serving.exported_toy import SEEDS, good_requests, nifti_files

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


def _file(voxels):
    return nib.Nifti1Image(voxels.astype(np.float32), np.eye(4)).to_bytes()


def bad_requests():
    """Dict from a name to (signature, inputs, regular expression of the message)."""
    good = good_requests()
    image, raw = good["serving_default"]["image"], good["segment_volume"]["image"]
    affine, files = good["segment_volume"]["affine"], good["segment_nifti"]["contents"]
    empty, flat = "image to hold voxels", np.float32([1, 1, 0, 1])
    huge = {"image": np.zeros((2, 40, 40, 40, 1), np.float32)}
    changes = {
        "serving_default": {
            "zero size": ({"image": image[:, :0]}, empty),
            "no volumes": (
                {"image": image[:0], "seed": SEEDS[:0]},
                f"{empty}, got the shape 0x7x6x5x1",
            ),
            "NaN": ({"image": _with(image, np.nan)}, "finite voxels in image"),
            "infinite": ({"image": _with(image, np.inf)}, "finite voxels"),
            "huge": (huge, "at most 100000 voxels in image, got 2 of 40x40x40"),
            "seeds": ({"seed": SEEDS[:1]}, "one seed for each of 2 volume"),
        },
        "segment_volume": {
            "zero size": ({"image": raw[..., :0, :]}, empty),
            "NaN": ({"image": _with(raw, np.nan)}, "finite voxels in image"),
            "huge": (huge, "at most 100000 voxels in image"),
            "affines": ({"affine": affine[:1]}, "one affine for each of 2"),
            "singular": ({"affine": 0.0 * affine}, "last row 0 0 0 1"),
            "NaN affine": ({"affine": np.nan * affine}, "a finite affine"),
            "flat": (
                {"affine": affine * flat},
                "a spacing of 1e-05 to 1000 mm by the affine",
            ),
            "huge by its affine": (
                {"affine": affine * np.float32([9, 9, 9, 1])},
                "at most 100000 voxels on the way to the grid of the network",
            ),
        },
        "segment_nifti": {
            "no files": (
                {"contents": np.array([], object), "seed": SEEDS[:0]},
                "contents of a file",
            ),
            "unreadable": ({"contents": [files[0], b"text"]}, "bytes of a .nii"),
            "cut off": ({"contents": [files[0], files[1][:-9]]}, "cut off"),
            "huge": ({"contents": [_huge_file()] * 2}, "at most 100000 voxels"),
            "shapes": (
                {"contents": [files[0], _file(np.zeros((3, 4, 5)))]},
                "volumes of one shape in one request",
            ),
            "NaN": (
                {"contents": [_file(np.full((9, 7, 8), np.nan))] * 2},
                "finite voxels in the",
            ),
            "seeds": ({"seed": SEEDS[:1]}, "one seed for each of 2"),
        },
    }
    return {
        f"{signature}: {name}": (signature, good[signature] | inputs, message)
        for signature, named in changes.items()
        for name, (inputs, message) in named.items()
    }


def wrong_ranks():
    """Requests of wrong shapes, which Python refuses before the model sees them."""
    good = good_requests()
    image, raw = good["serving_default"]["image"], good["segment_volume"]["image"]
    expected = r"expected shape \[\?,\?,\?,\?,1\]"
    two_channels = np.concatenate([image, image], -1)
    rows = [
        ("serving_default", {"image": image[0]}, expected),
        ("serving_default", {"image": image[0, 0, 0, 0, 0]}, "."),
        ("serving_default", {"image": two_channels}, expected),
        ("serving_default", {"seed": SEEDS[0]}, "expected shape"),
        ("segment_volume", {"image": raw[..., 0]}, expected),
        (
            "segment_volume",
            {"affine": good["segment_volume"]["affine"][:, :3]},
            r"expected shape \[\?,4,4\]",
        ),
        ("segment_nifti", {"contents": [nifti_files()]}, "expected shape"),
    ]
    return [
        (signature, good[signature] | inputs, message)
        for signature, inputs, message in rows
    ]
