"""Groups of diffusion steps, so that a diagram does not have too many series."""

import re

_MOST_GROUPS = 10
_NAME = re.compile(r"_(t|step_)\d+(_to_\d+)?")


def is_of_steps(name):
    """Whether the name of a score is that of a series over steps."""
    return _NAME.search(name) is not None


class StepGroups:
    """Groups of consecutive steps; up to ten steps are a group each.

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
        """Names of the groups, such as `loss_t0` or `loss_t0_to_9`.

        Args:
            prefix: beginning of the names.
            first: number of the first step.
        """
        # The first step of each group, and the number of steps.
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
