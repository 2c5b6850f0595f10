"""Small data sets in the Medical Segmentation Decathlon's layout."""

import json

import nibabel as nib
import numpy as np
import pytest


class MsdFolder:
    """A folder of small cases that a test may damage.

    Every case has its own axis order. Label value 7 is class 2, so that label values
    and class ids differ.
    """

    labels = {"0": "background", "2": "organ", "7": "vessel"}

    def __init__(self, folder, num_cases=0):
        self.folder = folder
        self.fields = {
            "name": "Toy Data",
            "licence": "CC0",
            "modality": {"0": "MRI"},
            "labels": self.labels,
            "training": [],
        }
        for index in range(num_cases):
            self.add_case(f"toy_{index:02d}", index)

    @property
    def dataset_json(self):
        return self.folder / "dataset.json"

    def add_case(self, uid, seed=0, image=None, label=None, affine=None):
        """Writes a case, with random arrays by default, and lists it."""
        rng = np.random.default_rng(seed)
        if image is None:
            image = rng.normal(100.0, 10.0, (8, 9, 10)).astype(np.float32)
        if label is None:
            label = rng.choice((0, 2, 7), (8, 9, 10)).astype(np.uint8)
        if affine is None:
            affine = np.eye(4)
            affine[:3] = affine[rng.permutation(3)]
            affine[:3] *= (1.0, 1.5, -2.0, 1.0)
        for name, array in (("imagesTr", image), ("labelsTr", label)):
            path = self.folder / name / f"{uid}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, affine), path)
        name = f"{uid}.nii.gz"
        entry = {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"}
        self.fields["training"].append(entry)
        self.write()

    def write(self, **changes):
        """Writes dataset.json, with some fields changed."""
        self.fields.update(changes)
        self.dataset_json.write_text(json.dumps(self.fields))


@pytest.fixture
def msd_folder(tmp_path):
    """An `MsdFolder` without cases."""
    folder = tmp_path / "source"
    folder.mkdir()
    return MsdFolder(folder)


@pytest.fixture
def damaged_folder(msd_folder):
    """An `MsdFolder` of four good cases and then one, "wrong", of NaN voxels."""
    for index in range(4):
        msd_folder.add_case(f"good_{index}", index)
    msd_folder.add_case("wrong", image=np.full((8, 9, 10), np.nan, np.float32))
    return msd_folder


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """An `MsdFolder` of 9 cases that no test may change."""
    return MsdFolder(tmp_path_factory.mktemp("toy"), num_cases=9)
