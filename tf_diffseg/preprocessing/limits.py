"""What the affine of a scan of a body can be."""

# Voxels of a microscope and of nothing that is a scan of a body. Other sizes come
# from damaged headers, and a grid of 1 mm over them would fill any memory.
SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 1e-5, 1e3

# Where the header's unit is larger than a millimetre: a file that says metre but holds
# millimetres has voxels of hundreds of millimetres, and is no scan.
LARGEST_SPACING_OF_METRES_MM = 1e2

# Volume of the parallelepiped of the voxel axes as unit vectors: 1 where they are at
# right angles, 0.5 at a gantry tilt of 60 degrees, which no scanner has.
SMALLEST_UNIT_VOLUME = 1e-2
