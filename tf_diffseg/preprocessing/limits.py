"""Limits of the affine of a scan of a body."""

# The smallest voxels are those of a microscope; no body needs the largest. Other sizes
# come from damaged headers, and a grid of 1 mm over them would fill any memory.
SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 1e-5, 1e3

# If the header's unit is larger than a millimetre: a file that says metre but holds
# millimetres has voxels of hundreds of millimetres.
LARGEST_SPACING_OF_METRES_MM = 1e2

# Volume of the parallelepiped of the voxel axes as unit vectors: 1 if they are at right
# angles, 0.5 at a gantry tilt of 60 degrees, which no scanner has.
SMALLEST_UNIT_VOLUME = 1e-2
