"""The GPUs that train: their memory, and whether they are fast in bfloat16."""

import contextlib
import subprocess
from typing import NamedTuple

from tf_diffseg.quiet import load_tensorflow

# NVIDIA's generation from which on products of bfloat16 are fast (Ampere).
_BFLOAT16_FROM = (8, 0)
_QUERY = "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits"


class Gpus(NamedTuple):
    """What each GPU has at least.

    Attributes:
        number: of GPUs.
        gib: memory in GiB; None if it is not known.
        is_fast_in_bfloat16: whether products of bfloat16 numbers are fast.
    """

    number: int
    gib: float | None
    is_fast_in_bfloat16: bool


def visible_gpus():
    """What the GPUs that TensorFlow sees have at least, `Gpus`; None without any."""
    load_tensorflow()
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return None
    details = [tf.config.experimental.get_device_details(each) for each in devices]
    capabilities = [each.get("compute_capability") or (0, 0) for each in details]
    names = {each.get("device_name") for each in details}
    is_fast = min(capabilities) >= _BFLOAT16_FROM
    return Gpus(len(devices), _smallest_gib(names), is_fast)


def _smallest_gib(names):
    """By NVIDIA's own tool: TensorFlow does not tell the memory of a GPU.

    The tool counts GPUs in another order, and also those that TensorFlow was not given.
    """
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        told = subprocess.run(
            _QUERY.split(), capture_output=True, text=True, check=True, timeout=30
        )
        lines = told.stdout.splitlines()
        found = [line.rsplit(",", 1) for line in lines if line.strip()]
        ours = [mib for name, mib in found if name.strip() in names]
        return min(int(mib) for mib in ours or [mib for _, mib in found]) / 1024
    return None
