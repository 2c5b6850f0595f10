"""What is too large to be converted, told before any of it is made."""

import math

from tf_diffseg.data.example_wire import LARGEST_EXAMPLE_BYTES
from tf_diffseg.errors import InputError
from tf_diffseg.volumes import volume

_LARGEST = f"{LARGEST_EXAMPLE_BYTES / 2**30:.0f} GiB"


def check_volume_shape(volume_shape, num_channels, bytes_per_value):
    """Raises InputError if no volume of a shape can be made or written.

    Args:
        volume_shape: (x, y, z) of every volume, from `--volume_shape`.
        num_channels: of the images.
        bytes_per_value: of an image, the least that it is stored with.
    """
    voxels = math.prod(volume_shape)
    flag = f"--volume_shape={','.join(map(str, volume_shape))}"
    # Image and label of 4 bytes each are the least that there will be at once.
    needed = voxels * 4 * (num_channels + 1)
    if needed > volume.memory_bytes():
        raise InputError(
            f"{flag}: a volume would take {_gib(needed)}, this machine has "
            f"{_gib(volume.memory_bytes())}"
        )
    record = voxels * (num_channels * bytes_per_value + 1)
    if record > LARGEST_EXAMPLE_BYTES:
        raise InputError(
            f"{flag}: the record of a case would take {_gib(record)}, it cannot take "
            f"more than {_LARGEST}"
        )


def check_record_size(path, shape, num_bytes):
    """Raises InputError if a case does not fit into a record.

    Args:
        path: of its image.
        shape: (x, y, z) of the processed image.
        num_bytes: of the record, from `example_schema.example_bytes`.
    """
    if num_bytes > LARGEST_EXAMPLE_BYTES:
        raise InputError(
            f"{path} is too large: its {'x'.join(map(str, shape))} processed voxels "
            f"make a record of {_gib(num_bytes)}, it cannot take more than {_LARGEST}: "
            "give a smaller --volume_shape or a coarser --spacing_mm, or "
            "--intensity=none where whole numbers can stay as they are"
        )


def _gib(num_bytes):
    return f"{num_bytes / 2**30:.1f} GiB"
