"""Catches SIGTERM."""

import signal
import threading


class SigtermFlag:
    """Is set by the first SIGTERM; a second one has its former effect.

    Attributes:
        is_set: whether SIGTERM came while listening.
    """

    def __init__(self):
        self.is_set = False
        self._former = None
        self._listens = False

    def listen(self):
        """Catches SIGTERM; does nothing outside the main thread."""
        self.is_set = False
        if threading.current_thread() is threading.main_thread() and not self._listens:
            self._former = signal.signal(signal.SIGTERM, self._on_sigterm)
            self._listens = True

    def leave(self):
        """Restores the former handler."""
        if self._listens:
            signal.signal(signal.SIGTERM, self._former or signal.SIG_DFL)
            self._listens = False

    def _on_sigterm(self, number, frame):
        del number, frame
        self.is_set = True
        self.leave()
