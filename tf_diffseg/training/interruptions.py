"""What ends a training before its last epoch; the same call goes on from there."""


class TrainingStopped(Exception):
    """SIGTERM came; what was trained until then is saved.

    Attributes:
        place: `Place` that the run goes on at.
    """

    def __init__(self, place):
        super().__init__(f"terminated; saved after {place}")
        self.place = place


class WorkerLost(Exception):
    """Another worker ended, or cannot be reached any more."""
