"""Progress of a loop over cases: a bar on a terminal, lines in a log."""

import sys

_SECONDS_BETWEEN_LINES = 15.0
_LINE = "{desc} {n_fmt} of {total_fmt} {unit}s, {elapsed} gone, {remaining} left"


def progress_bar(total, unit, description, done=0, stream=None):
    """Makes a `tqdm` bar.

    If the stream is not a terminal, the bar writes a line after each 15 seconds, so a
    loop that ends sooner writes nothing.

    Args:
        total: number of things to do, with those that are done.
        unit: what the bar counts, in the singular.
        description: what the loop does, in a word.
        done: number of things that were done before.
        stream: where to write; by default `sys.stderr`.

    Returns:
        A context manager with the method `update()`.
    """
    import tqdm

    stream = stream or sys.stderr
    of_log = {}
    if not stream.isatty():
        of_log = {
            "file": _Lines(stream),
            "bar_format": _LINE,
            "mininterval": _SECONDS_BETWEEN_LINES,
            "delay": _SECONDS_BETWEEN_LINES,
        }
    return tqdm.tqdm(
        total=total,
        unit=unit,
        desc=description,
        initial=done,
        **({"file": stream} | of_log),
    )


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
