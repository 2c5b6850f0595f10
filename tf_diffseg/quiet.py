"""Loads TensorFlow without the lines that it prints whatever its settings are."""

import contextlib
import os
import sys
import tempfile

_STDERR = 2  # the file descriptor: C++ does not write to sys.stderr


@contextlib.contextmanager
def _stderr_held_back():
    """Holds back what Python and C++ write to stderr; shows it if an error comes."""
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
    """Imports TensorFlow, which prints nothing unless the import fails.

    Since 2.19 it prints a dozen lines about CPU instructions and CUDA libraries before
    it reads its log level. They would hide a message about a wrong argument.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _stderr_held_back():
        import tensorflow as tf

        tf.config.list_physical_devices()  # looks for a GPU, and reports on it
