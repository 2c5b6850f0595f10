"""Runs that are compared, or averaged, are trained alike."""

from tf_diffseg.errors import InputError


def check_not_longer(name, plan):
    """Checks that a run can be trained as long as the others.

    Args:
        name: what the run is beside the others, for the message.
        plan: `RunPlan`, whose folder may hold a run.

    Raises:
        InputError: the run has been trained for more epochs.
    """
    trained, asked = plan.run_folder.place().epoch, plan.config.epochs
    if trained > asked:
        raise InputError(
            f"epochs={asked}: {name} has been trained for {trained} in "
            f"{plan.run_folder.path}, and all are to be trained alike; ask for as "
            "many, or name another folder",
            argument="epochs",
        )
