"""A volume of voxels with its place in the world."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as its file has it.

    Attributes:
        path: path of the file.
        array: (i, j, k), or (i, j, k, channels) for images.
        affine: float64 (4, 4), voxel to world (RAS+) in mm.
        notes: lines on what is odd about the file without being wrong.
        remarks: pairs (kind, text) on what is odd about its values, or about its grid
            beside that of another file. `verification` reports them.
    """

    path: str
    array: np.ndarray
    affine: np.ndarray
    notes: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()

    @property
    def grid_shape(self):
        """Voxels (3,) along i, j and k."""
        return self.array.shape[:3]

    @property
    def spacing_mm(self):
        """Voxel size (3,) along i, j and k."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)
