"""Labelled voxels keep their place in the world through conversion and restoring."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_tools.conversion import case_conversion
from data_tools.datasets.dataset import Case
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor
from tf_diffseg.volumes.result_files import write_label
from tf_diffseg.volumes.volume_files import read_label

_ORIENTATIONS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
_LABEL_VALUES = [0, 3, 8]


def _write_case(folder, permutation, signs, degrees):
    """Writes an anisotropic case of random voxels; returns its label and affine."""
    rng = np.random.default_rng([*permutation, *np.add(signs, 1), int(degrees)])
    shape = (7, 6, 5)
    affine = np.eye(4)
    axis = rng.normal(size=3)
    rotation = Rotation.from_rotvec(np.deg2rad(degrees) * axis / np.linalg.norm(axis))
    spacing = np.eye(3)[list(permutation)] * signs * (0.8, 1.3, 2.5)
    affine[:3, :3] = rotation.as_matrix() @ spacing
    affine[:3, 3] = rng.uniform(-90, 90, 3)
    label = rng.choice(_LABEL_VALUES, shape, p=(0.8, 0.1, 0.1)).astype(np.uint8)
    image = rng.normal(100, 9, shape).astype(np.float32)
    for name, array in (("image", image), ("label", label)):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    return label, affine


def _world(mask, affine):
    """Sorted world positions (n, 3) of a mask's voxels."""
    position = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return position[np.lexsort(np.round(position, 2).T)]


@pytest.mark.parametrize(
    "degrees, preprocessing",
    [
        pytest.param(0.0, {}, marks=pytest.mark.slow),
        (17.0, {"volume_shape": (9, 8, 10)}),
    ],
)
def test_world_positions_are_kept(tmp_path, degrees, preprocessing):
    paths = [str(tmp_path / f"{name}.nii.gz") for name in ("image", "label")]
    case = Case("a", (paths[0],), paths[1])
    preprocessor = VolumePreprocessor(**preprocessing)
    config = preprocessor.get_config()
    recipe = case_conversion.Recipe(_LABEL_VALUES, 1, config, "float32", "")
    for permutation, signs in _ORIENTATIONS:
        label, affine = _write_case(tmp_path, permutation, signs, degrees)
        converted = case_conversion.convert_case(case, recipe)
        example = parse_example(converted.example)
        # On the network's grid, whose affine the preprocessor returns.
        image = np.zeros((*label.shape, 1), np.float32)
        processed_affine = preprocessor(image, affine)[1].numpy()
        for class_id, value in enumerate(_LABEL_VALUES[1:], 1):
            np.testing.assert_allclose(
                _world(example["label"].numpy() == class_id, processed_affine),
                _world(label == value, affine),
                atol=1e-3,
            )
        # Restored to the grid of the file, like a prediction.
        restored = preprocessor.restore(
            np.eye(3)[example["label"]], SourceGrid.of_example(example)
        )
        values = np.array(_LABEL_VALUES)[restored.numpy().argmax(axis=-1)]
        path = tmp_path / "back.nii.gz"
        write_label(path, values, like=paths[0])
        back = read_label(path)
        np.testing.assert_array_equal(back.array, label)
        for value in _LABEL_VALUES[1:]:
            np.testing.assert_allclose(
                _world(back.array == value, back.affine),
                _world(label == value, affine),
                atol=1e-3,
            )
