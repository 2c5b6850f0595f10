"""Loading TensorFlow without the lines it prints that no setting turns off."""

import contextlib
import os
import sys
import tempfile

_STDERR = 2  # the descriptor: C++ knows no sys.stderr


@contextlib.contextmanager
def _stderr_held_back():
    """Holds back what is written to stderr, C++ included; shown on an error."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _STDERR)
        try:
            yield
        except Exception:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            os.close(kept)


def load_tensorflow():
    """Imports TensorFlow, which says nothing unless that fails.

    Since 2.19 it greets with a dozen lines (which CPU instructions, which CUDA
    libraries) before its log level counts. A user who is told one thing that
    is wrong should not have to look for it among those.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _stderr_held_back():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for a GPU, and reports on it
