"""Worker processes that do one task at a time each. Loads nothing heavy itself."""

import collections
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading

from tqdm import tqdm

from tf_diffseg.errors import InputError
from tf_diffseg.quiet import load_tensorflow

# Of glibc, elsewhere without effect. Volumes lie in large pages, which the system gives
# faster than many small ones, and go back to it when they are freed; smaller buffers,
# of which there are many a volume, do not.
_MEMORY = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8388608:"
    "glibc.malloc.trim_threshold=8388608"
)


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


class WorkerPool:
    """Runs tasks in worker processes; use it as a context.

    Processes start with the first task that there is.

    Args:
        num_workers: processes.
        start: function that sets a fresh process up, `start_worker` or `start_reader`.
    """

    def __init__(self, num_workers, start=start_worker):
        self._num_workers = num_workers
        self._start = start
        self._stack = contextlib.ExitStack()
        self._pool = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task.

        Args:
            function: of one task; defined in a module, for processes to find it.
            tasks: list.
            unit: what a progress bar counts, or None for no bar.
            done: tasks that were done before, for the bar.

        Yields:
            Results, in order.

        Raises:
            InputError: if a process dies.
        """
        if not tasks:
            return
        if self._pool is None:
            self._pool = self._stack.enter_context(
                _pool(self._num_workers, self._start)
            )
        with _progress(tasks, unit, done) as progress:
            for result in self._in_order(function, tasks):
                progress.update()
                yield result

    def _in_order(self, function, tasks):
        pending = collections.deque()
        waiting = iter(tasks)
        while True:
            for task in itertools.islice(waiting, 2 * self._num_workers - len(pending)):
                with interrupts_held_back():  # this may start a process
                    pending.append(self._pool.submit(function, task))
            if not pending:
                return
            try:
                result = pending.popleft().result()
            except concurrent.futures.process.BrokenProcessPool as error:
                raise InputError(
                    "a worker process died, most likely for want of memory: "
                    f"try fewer than `num_workers={self._num_workers}`"
                ) from error
            yield result


class InProcess:
    """Runs tasks in this process, one after the other; as `WorkerPool`."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task; see `WorkerPool.run`."""
        with _progress(tasks, unit, done) as progress:
            for task in tasks:
                yield function(task)
                progress.update()


def _progress(tasks, unit, done):
    return tqdm(
        total=done + len(tasks),
        initial=done,
        unit=unit,
        # None shows it on a terminal only.
        disable=None if unit else True,
    )


@contextlib.contextmanager
def _pool(num_workers, start):
    # Read when a process starts, and pools start theirs as they are needed.
    os.environ.setdefault("GLIBC_TUNABLES", _MEMORY)
    pool = concurrent.futures.ProcessPoolExecutor(
        num_workers,
        # A fork of a process that has loaded TensorFlow can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start,
    )
    not_ours = multiprocessing.active_children()
    try:
        yield pool
    except BaseException:
        # A case may take minutes, and nobody waits for it any more.
        for process in multiprocessing.active_children():
            if process not in not_ours:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
