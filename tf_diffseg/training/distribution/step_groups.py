"""Diffusion steps as the series of a diagram, of which there should not be too many."""

import re

_MOST_GROUPS = 10
_NAME = re.compile(r"_(t|step_)\d+(_to_\d+)?")


def is_of_steps(name):
    """Whether a score is one of a series over steps, by its name."""
    return _NAME.search(name) is not None


class StepGroups:
    """Groups of consecutive steps; each step is one where there are at most ten.

    Attributes:
        num_steps: number of steps.
        num_groups: number of groups.
    """

    def __init__(self, num_steps):
        self.num_steps = num_steps
        self.num_groups = min(num_steps, _MOST_GROUPS)

    def group(self, step):
        """Index of the group of a step, an int or an int tensor."""
        return step * self.num_groups // self.num_steps

    def names(self, prefix, first=0):
        """Names of the groups by the steps in them.

        Args:
            prefix: what they begin with.
            first: number of the first step.

        Returns:
            List such as `loss_t0`, `loss_t1`, or `loss_t0_to_9`.
        """
        # The first step of each group, and of the one that would come next.
        starts = [
            -(-group * self.num_steps // self.num_groups)
            for group in range(self.num_groups + 1)
        ]
        names = []
        for start, end in zip(starts, starts[1:], strict=False):
            one = f"{prefix}{first + start}"
            more = f"_to_{first + end - 1}" if end > start + 1 else ""
            names.append(one + more)
        return names
