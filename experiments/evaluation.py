"""The old place of `tf_diffseg.evaluate_run`, for one release."""

from tf_diffseg._lazy import moved_names

__getattr__ = moved_names(__name__, "tf_diffseg", ("evaluate_run",))
