"""Checks of several runs before the first is trained."""

from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.errors import InputError
from tf_diffseg.runs.planning.memory_check import check_memory


def check_plans(plans, argument, memory_gib=None):
    """Builds the network of each plan, so that errors come before hours of work.

    Args:
        plans: dict from the name of a run to its `RunPlan`.
        argument: argument that chose the names, for messages.
        memory_gib: as in `training.train`.

    Raises:
        InputError: a network cannot be built or takes too much memory, or a shard is
            damaged; the message names the run.
    """
    from tf_diffseg.runs.training_run import build_network, why_complete

    for name, plan in plans.items():
        check_counts(plan.manifest, plan.all_shards)
        try:
            build_network(plan.config, plan.manifest)
            if not why_complete(plan.config, plan.run_folder):
                check_memory(plan.config, plan.manifest, memory_gib)
        except InputError as error:
            raise InputError(
                f"{argument}={name}: {error}", argument=argument
            ) from error
