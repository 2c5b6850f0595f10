"""Progress of a loop over cases: a bar on a terminal, lines in a log."""

import sys

SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BEFORE_INNER_BAR = 2.0
_LINE = "{desc} {n_fmt} of {total_fmt} {unit}s, {elapsed} gone, {remaining} left"


def progress_bar(total, unit, description, done=0, stream=None, started=None):
    """Makes a `tqdm` bar.

    If the stream is not a terminal, the bar writes a line after each 15 seconds, so a
    loop that ends sooner writes nothing.

    Args:
        total: number of things to do, with those that are done.
        unit: what the bar counts, in the singular.
        description: what the loop does, in a word.
        done: number of things that were done before.
        stream: where to write; by default `sys.stderr`.
        started: for a loop within another: `time.time()` when it began. Its bar goes
            when it ends, and does not come at all if it ends soon.

    Returns:
        A context manager with the method `update()`.
    """
    import tqdm

    stream = stream or sys.stderr
    options = {"file": stream}
    if started is not None:
        options |= {"leave": False, "delay": _SECONDS_BEFORE_INNER_BAR}
    if not stream.isatty():
        options |= {
            "file": _Lines(stream),
            "bar_format": _LINE,
            "mininterval": SECONDS_BETWEEN_LINES,
            "delay": SECONDS_BETWEEN_LINES,
            "position": 0,  # Others would move the cursor.
        }
    bar = tqdm.tqdm(total=total, unit=unit, desc=description, initial=done, **options)
    if started is not None:
        bar.start_t = bar.last_print_t = started
    return bar


class _Lines:
    """A stream that ends each text as a line instead of returning to its beginning."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        text = text.strip()
        if text:
            self._stream.write(f"{text}\n")

    def flush(self):
        self._stream.flush()
