"""Errors that end a training early; the same call resumes it."""


class TrainingStopped(Exception):
    """SIGTERM came; the model is saved.

    Attributes:
        place: `Place` at which the run goes on.
    """

    def __init__(self, place):
        super().__init__(f"terminated; saved after {place}")
        self.place = place


class WorkerLost(Exception):
    """Another worker ended, or cannot be reached."""
