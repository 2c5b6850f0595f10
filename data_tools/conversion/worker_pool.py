"""Runs tasks in worker processes, one task at a time in each.

Importing this module loads no TensorFlow.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading

from tf_diffseg.errors import InputError
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.quiet import load_tensorflow

# Settings of glibc; elsewhere without effect. Volumes get large pages, which the system
# provides faster than many small ones, and go back to the system when they are freed.
# The many smaller buffers of a volume do not.
_MEMORY = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8388608:"
    "glibc.malloc.trim_threshold=8388608"
)


def start_reader():
    """Prepares a new process that needs no TensorFlow.

    The process ends when its parent ends, however the parent ends.
    """
    parent = multiprocessing.parent_process()

    def end_with_parent():
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def use_one_thread():
    """Makes TensorFlow use one thread and no accelerator in this process.

    If TensorFlow already runs, it stays as it is: another order of sums is better than
    an error.
    """
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")


def start_worker():
    """Prepares a new process for TensorFlow with one thread and no accelerator.

    Workers of one thread share the machine, and their sums do not depend on the number
    of workers. See also `start_reader`.
    """
    start_reader()
    # The parent logs at the level of the user; errors come back as exceptions.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    load_tensorflow()
    use_one_thread()


class WorkerPool(contextlib.AbstractContextManager):
    """Runs tasks in worker processes, which start with the first task; a context.

    Args:
        num_workers: number of processes.
        start: function that prepares a new process, `start_worker` or `start_reader`.
    """

    def __init__(self, num_workers, start=start_worker):
        self._num_workers = num_workers
        self._start = start
        self._stack = contextlib.ExitStack()
        self._pool = None

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task.

        Args:
            function: function of one task, defined in a module so that workers find it.
            tasks: list of tasks.
            unit: what a progress bar counts, or None for no bar.
            done: number of tasks that were done before, for the bar.

        Yields:
            Results, in order.

        Raises:
            InputError: if a process dies.
        """
        if not tasks:
            return
        if self._pool is None:
            pool = _pool(self._num_workers, self._start)
            self._pool = self._stack.enter_context(pool)
        with _progress(tasks, unit, done) as note_done:
            for result in self._in_order(function, tasks):
                note_done()
                yield result

    def _in_order(self, function, tasks):
        pending = collections.deque()
        waiting = iter(tasks)
        while True:
            for task in itertools.islice(waiting, 2 * self._num_workers - len(pending)):
                pending.append(self._submit(function, task))
            if not pending:
                return
            try:
                result = pending.popleft().result()
            except concurrent.futures.process.BrokenProcessPool as error:
                raise InputError(
                    "a worker process died, most likely because memory ran out: "
                    f"try fewer than `num_workers={self._num_workers}`"
                ) from error
            yield result

    def _submit(self, function, task):
        # This may start a process, which inherits the blocked interrupt for ever: only
        # the parent handles an interrupt, even while a worker still loads.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, task)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class InProcess(contextlib.AbstractContextManager):
    """Runs tasks in this process, one after the other, with `WorkerPool`'s methods."""

    def __exit__(self, *exception):
        return None

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task; see `WorkerPool.run`."""
        with _progress(tasks, unit, done) as note_done:
            for task in tasks:
                yield function(task)
                note_done()


@contextlib.contextmanager
def _progress(tasks, unit, done):
    """Yields a function to call after each task."""
    if unit is None:
        yield lambda: None
        return
    with progress_bar(done + len(tasks), unit, "done", done) as progress:
        yield progress.update


@contextlib.contextmanager
def _pool(num_workers, start):
    # glibc reads this when a process starts, which may be during any task.
    os.environ.setdefault("GLIBC_TUNABLES", _MEMORY)
    pool = concurrent.futures.ProcessPoolExecutor(
        num_workers,
        # A fork of a process that has loaded TensorFlow can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start,
    )
    others = multiprocessing.active_children()
    try:
        yield pool
    except BaseException:
        # A case may take minutes, and nobody waits for it any longer.
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
