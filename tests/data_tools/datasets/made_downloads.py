"""Small data in the layouts in which published data sets are downloaded."""

import json

import nibabel as nib
import numpy as np
from PIL import Image

_SHAPE = (20, 24, 8)


def make_download(name, folder):
    """Writes a data set into a folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _MAKERS[name](folder)
    return folder


def _case(seed, values, shape=_SHAPE, low=0.0, high=100.0):
    """(image float32, label uint8): a slab of each value, brighter than those before.

    No two of the first 16 seeds give one label.
    """
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.uint8)
    # At least two voxels of each, away from the edge of the volume.
    edges = np.linspace(2, shape[0] - 2, len(values) + 1).astype(int)
    for value, start, end in zip(values, edges, edges[1:], strict=False):
        label[start:end, 4 + seed % 4 : 15 + seed // 4] = value
    brightness = np.searchsorted([0, *values], label) / len(values)
    image = low + (high - low) * brightness
    return (image + rng.normal(scale=high / 20, size=shape)).astype(np.float32), label


def _save(path, array, spacing_mm=(1.5, 1.5, 5.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
    nib.save(nib.Nifti1Image(array, affine), path)


def _male_pelvic_mr(folder):
    lines = []
    for institution, number in (("UCL", 8), ("bergen", 8)):
        for _ in range(number):
            uid = f"{len(lines):06d}"
            image, label = _case(len(lines), range(1, 9))
            _save(folder / "data" / f"{uid}_img.nii", image, (0.75, 0.75, 2.5))
            _save(folder / "data" / f"{uid}_mask.nii", label, (0.75, 0.75, 2.5))
            lines.append(f"{uid} {institution}")
    (folder / "institution.txt").write_text("\n".join(lines) + "\n")


def _amos_ct(folder):
    """Eight CT to train on, three to validate, and MR, in the folder of the archive."""
    names = [f"amos_{number:04d}.nii.gz" for number in (*range(1, 12), 507, 508)]
    places = [*["Tr"] * 8, *["Va"] * 3, "Tr", "Va"]
    fields = {
        "name": "AMOS",
        "licence": "CC-BY",
        "modality": {"0": "CT", "1": "MRI"},
        "labels": {str(value): f"organ {value}" for value in range(16)},
        "training": [],
        "validation": [],
        "test": ["./imagesTs/amos_0012.nii.gz"],
        "numTraining": 99,
    }
    for seed, (name, place) in enumerate(zip(names, places, strict=True)):
        image, label = _case(seed, range(1, 16), (34, 24, 6), -900.0, 400.0)
        _save(folder / "amos22" / f"images{place}" / name, image)
        _save(folder / "amos22" / f"labels{place}" / name, label)
        fields["training" if place == "Tr" else "validation"].append(
            {kind: f"./{kind}s{place}/{name}" for kind in ("image", "label")}
        )
    (folder / "amos22" / "dataset.json").write_text(json.dumps(fields))


def _brats2021(folder):
    for number in range(8):
        uid = f"BraTS2021_{number:05d}"
        image, label = _case(number, (2, 1, 4))
        image = np.abs(image) + 1.0
        image[:2], image[-1:] = 0.0, 0.0  # Air, which the conversion crops away.
        for factor, suffix in enumerate(("t1", "t1ce", "t2", "flair"), 1):
            path = folder / uid / f"{uid}_{suffix}.nii.gz"
            _save(path, factor * image, (1.0, 1.0, 1.0))
        _save(folder / uid / f"{uid}_seg.nii.gz", label, (1.0, 1.0, 1.0))


def _muscle_us(folder):
    for split, numbers in (("train", range(4)), ("val", [4]), ("test", [5])):
        for number in numbers:
            image, label = _case(number, (1,), (24, 20))
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            for end, array in (("", pixels), ("annot", 255 * label)):
                path = folder / f"{split}{end}" / f"BB_anon_{number}_1.png"
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(array.T).save(path)
    # The publication leaves out images without a mask.
    Image.fromarray(pixels.T).save(folder / "test" / "BB_anon_6_1.png")


def _hippocampus(folder):
    fields = {
        "name": "Hippocampus",
        "licence": "CC-BY-SA 4.0",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [],
    }
    for number in range(8):
        name = f"hippocampus_{number:03d}.nii.gz"
        image, label = _case(number, (1, 2), (20, 24, 16))
        _save(folder / "imagesTr" / name, image, (1.0, 1.0, 1.0))
        _save(folder / "labelsTr" / name, label, (1.0, 1.0, 1.0))
        entry = {kind: f"./{kind}sTr/{name}" for kind in ("image", "label")}
        fields["training"].append(entry)
    (folder / "dataset.json").write_text(json.dumps(fields))


_MAKERS = {
    "male_pelvic_mr": _male_pelvic_mr,
    "amos_ct": _amos_ct,
    "brats2021": _brats2021,
    "muscle_us": _muscle_us,
    "hippocampus": _hippocampus,
}
