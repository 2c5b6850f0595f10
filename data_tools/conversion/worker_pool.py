"""Worker processes that do one task at a time each."""

import collections
import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os

from tqdm import tqdm

from data_tools.conversion.worker import interrupts_held_back, start_worker
from tf_diffseg.errors import InputError

# Of glibc, elsewhere without effect. Volumes lie in large pages, which the system gives
# faster than many small ones, and go back to it when they are freed; smaller buffers,
# of which there are many a volume, do not.
_MEMORY = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8388608:"
    "glibc.malloc.trim_threshold=8388608"
)


class WorkerPool:
    """Runs tasks in worker processes; use it as a context.

    Processes start with the first task that there is.

    Args:
        num_workers: processes.
    """

    def __init__(self, num_workers):
        self._num_workers = num_workers
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
            self._pool = self._stack.enter_context(_pool(self._num_workers))
        with tqdm(
            total=done + len(tasks),
            initial=done,
            unit=unit,
            # None shows it on a terminal only.
            disable=None if unit else True,
        ) as progress:
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
                    f"try fewer than --num_workers={self._num_workers}"
                ) from error
            yield result


@contextlib.contextmanager
def _pool(num_workers):
    # Read when a process starts, and pools start theirs as they are needed.
    os.environ.setdefault("GLIBC_TUNABLES", _MEMORY)
    pool = concurrent.futures.ProcessPoolExecutor(
        num_workers,
        # A fork of a process that has loaded TensorFlow can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
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
