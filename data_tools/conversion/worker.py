"""How a process that converts cases starts. Loads nothing heavy itself."""

import contextlib
import multiprocessing
import os
import signal
import threading

from tf_diffseg.quiet import load_tensorflow


def _end_with_parent():
    """Ends this process when its parent ends, in whatever way that does."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait():
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def interrupts_held_back():
    """Holds interrupts back where processes are started, which inherit that for ever.

    An interrupt is the parent's to handle, also while a worker still loads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_reader():
    """Sets a fresh process up that needs no TensorFlow and ends with its parent."""
    _end_with_parent()


def use_one_thread():
    """Has TensorFlow use one thread and no accelerator in this process.

    Where it runs already it stays as it is: to whoever started it, sums in another
    order matter less than an error.
    """
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")


def start_worker():
    """Sets a fresh process up: one thread, no accelerator.

    With one thread each, workers share the machine, and sums are added in one
    order whatever their number. For the rest see `start_reader`.
    """
    start_reader()
    # The parent has the log level of the user; errors come back as exceptions.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    load_tensorflow()
    use_one_thread()
