"""The anatomy of a phantom: solid shapes in millimetres, each of one tissue.

A rounded body under a rim of fat holds an organ, a vessel that runs through the organ
and a nodule inside it. Intensity alone does not tell them: the fat and a gland are as
bright as the vessel, a second organ without a vessel looks like the organ, and the
nodule looks like the plain tissue around everything.

Shapes are implicit functions of a world position, so one anatomy can be sampled on any
grid. Pose, size and a smooth deformation are drawn at random.
"""

import dataclasses
import enum

import numpy as np


class Tissue(enum.IntEnum):
    """The tissue at a point of the world."""

    AIR = 0
    FAT = 1
    PLAIN = 2
    SECOND_ORGAN = 3
    GLAND = 4
    ORGAN = 5
    VESSEL = 6
    NODULE = 7


# Fat begins at this fraction of the way from the body's centre to its surface.
_FAT_LEVEL = 0.89

# Least distance between the surfaces of vessel, nodule and organ.
_GAP_MM = 1.0


def _rotation(rng, max_degrees):
    """Rotation (3, 3) by up to `max_degrees` about a random axis (Rodrigues)."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = np.deg2rad(rng.uniform(-max_degrees, max_degrees))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@dataclasses.dataclass(frozen=True)
class _Ellipsoid:
    """Solid ellipsoid: centre (3,), semi-axes (3,) in mm, rotation (3, 3)."""

    centre: np.ndarray
    semi_axes: np.ndarray
    rotation: np.ndarray

    @classmethod
    def random(cls, rng, centre, semi_axes, jitter_mm, max_degrees=25.0):
        """Moves, scales by up to 10 % and turns a mean shape."""
        return cls(
            centre=np.asarray(centre) + rng.uniform(-jitter_mm, jitter_mm, 3),
            semi_axes=np.asarray(semi_axes) * rng.uniform(0.9, 1.1, 3),
            rotation=_rotation(rng, max_degrees),
        )

    def level(self, points):
        """Distance from the centre, as a fraction of the surface's distance."""
        scaled = (points - self.centre) @ self.rotation / self.semi_axes
        return np.linalg.norm(scaled, axis=-1)

    def contains(self, points):
        return self.level(points) < 1.0


@dataclasses.dataclass(frozen=True)
class _Tube:
    """Solid tube with round ends: centreline (n, 3) and radius in mm."""

    centreline: np.ndarray
    radius_mm: float

    @classmethod
    def random(cls, rng, middle, half_length_mm, radius_mm, bend_mm):
        """A quadratic Bezier curve along z, tilted at random."""
        direction = _rotation(rng, 25.0) @ np.array([0.0, 0.0, half_length_mm])
        bend = rng.normal(size=3)
        bend -= direction * (bend @ direction) / (direction @ direction)
        bend *= bend_mm / np.linalg.norm(bend)
        s = np.linspace(-1.0, 1.0, 25)[:, np.newaxis]
        return cls(middle + s * direction + (1.0 - 2.0 * s**2) * bend, radius_mm)

    def distance(self, points):
        """Distance in mm from the centreline."""
        squared = np.full(points.shape[:-1], np.inf)
        for start in self.centreline:
            np.minimum(squared, np.sum((points - start) ** 2, axis=-1), out=squared)
        return np.sqrt(squared)

    def contains(self, points):
        return self.distance(points) < self.radius_mm


@dataclasses.dataclass(frozen=True)
class _Deformation:
    """Smooth displacement, a sum of a few plane waves."""

    waves: np.ndarray  # (n, 3), radians per mm
    shifts: np.ndarray  # (n, 3), mm
    phases: np.ndarray  # (n,)

    @classmethod
    def random(cls, rng, amplitude_mm=0.65, num_waves=6):
        directions = rng.normal(size=(num_waves, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths_mm = rng.uniform(22.0, 45.0, (num_waves, 1))
        return cls(
            waves=2 * np.pi * directions / lengths_mm,
            shifts=rng.normal(0.0, amplitude_mm, (num_waves, 3)),
            phases=rng.uniform(0.0, 2 * np.pi, num_waves),
        )

    def __call__(self, points):
        return points + np.sin(points @ self.waves.T + self.phases) @ self.shifts


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """One body, centred on the world's origin; see the module's docstring."""

    body: _Ellipsoid
    second_organ: _Ellipsoid
    gland: _Ellipsoid
    organ: _Ellipsoid
    vessel: _Tube
    nodule: _Ellipsoid
    deformation: _Deformation

    @classmethod
    def random(cls, rng):
        """Draws an anatomy from a `numpy.random.Generator`."""
        organ = _Ellipsoid.random(rng, (4.0, 1.0, 0.0), (13.5, 12.5, 13.0), 1.5)
        vessel = _Tube.random(
            rng,
            middle=organ.centre + (-4.5, *rng.uniform(-1.5, 1.5, 2)),
            half_length_mm=rng.uniform(10.5, 12.5),
            radius_mm=rng.uniform(4.0, 4.5),
            bend_mm=rng.uniform(1.0, 3.0),
        )
        return cls(
            body=_Ellipsoid.random(rng, (0, 0, 0), (24.5, 22.5, 23.5), 0.5, 15.0),
            second_organ=_Ellipsoid.random(
                rng, (-13.0, 8.0, 4.0), (5.5, 6.0, 7.0), 1.5
            ),
            gland=_Ellipsoid.random(rng, (-12.0, -8.0, -5.0), (4.8, 4.6, 5.0), 1.5),
            organ=organ,
            vessel=vessel,
            nodule=_random_nodule(rng, organ, vessel),
            deformation=_Deformation.random(rng),
        )

    def tissue(self, points):
        """The `Tissue` (...,), uint8, at world positions (..., 3) in mm."""
        points = self.deformation(points)
        depth = self.body.level(points)
        tissue = np.full(points.shape[:-1], Tissue.AIR, np.uint8)
        tissue[depth < 1.0] = Tissue.FAT
        lean = depth < _FAT_LEVEL
        lean_points = points[lean]
        lean_tissue = np.full(len(lean_points), Tissue.PLAIN, np.uint8)
        for solid, name in (  # each solid hides the ones before it
            (self.second_organ, Tissue.SECOND_ORGAN),
            (self.gland, Tissue.GLAND),
            (self.organ, Tissue.ORGAN),
            (self.vessel, Tissue.VESSEL),
            (self.nodule, Tissue.NODULE),
        ):
            lean_tissue[solid.contains(lean_points)] = name
        tissue[lean] = lean_tissue
        return tissue


def _random_nodule(rng, organ, vessel):
    """A nodule inside the organ and clear of the vessel.

    It is redrawn until it fits, smaller each time, down to a diameter of 8.4 mm.
    """
    smallest = min(organ.semi_axes)
    for radius_mm in np.linspace(5.8, 4.2, 200):
        offset = np.array([7.0, 0.0, 0.0]) + rng.uniform(-3.5, 3.5, 3)
        centre = organ.centre + offset
        depth_mm = (1.0 - organ.level(centre)) * smallest
        clearance_mm = vessel.distance(centre) - vessel.radius_mm
        if min(depth_mm, clearance_mm) > radius_mm + _GAP_MM:
            break
    return _Ellipsoid(centre, np.full(3, radius_mm), np.eye(3))
