"""Refuses a training step that does not fit into memory, before it takes any."""

from tf_diffseg.errors import InputError
from tf_diffseg.runs.planning.machine import free_gib
from tf_diffseg.runs.planning.step_memory import step_gib


def check_memory(config, manifest, memory_gib=None):
    """Checks a step on CPUs; a GPU's own error comes without harm to the machine.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        memory_gib: memory that the step may take; None for what is free or
            held already.

    Raises:
        InputError: the step is estimated to take more.
    """
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return
    limit = free_gib() if memory_gib is None else memory_gib
    gib = step_gib(config, manifest.num_labels, manifest.num_channels)
    if limit is None or gib <= limit:
        return
    patch = ",".join(map(str, config.patch_shape))
    allowed = "are free" if memory_gib is None else "may be taken (`memory_gib`)"
    raise InputError(
        f"patch_shape={patch}, `batch_size={config.batch_size}`: a training step takes "
        f"about {gib:.1f} GiB, and {limit:.1f} GiB {allowed}. Use a smaller patch, "
        "`accumulation_steps`, `remat` or `precision=mixed_bfloat16`, or say by "
        "`memory_gib` that there is more memory",
        argument="patch_shape",
    )
