"""What every command line module shares: how it runs, how it fails."""

import os
import sys

from absl import app

from data_tools.errors import InputError


def parse_numbers(flag_name, text, count, number=float):
    """Reads a flag such as `--spacing_mm=1.0,1.0,2.5`.

    Args:
        flag_name: name of the flag, for the message.
        text: its value, or None where it was not given.
        count: how many numbers must be there.
        number: `float` or `int`.

    Returns:
        Tuple of `count` numbers, or None for None.

    Raises:
        InputError: if `text` is anything else.
    """
    if text is None:
        return None
    try:
        values = tuple(number(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        kind = "whole numbers" if number is int else "numbers"
        raise InputError(
            f"--{flag_name}={text}: expected {count} {kind} separated by commas"
        )
    return values


def run(main):
    """Runs `main(argv)` under absl and exits the process.

    `InputError` becomes one line on stderr and exit code 1, an interrupt exit
    code 130; every other error keeps its traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    def main_without_traceback(argv):
        if len(argv) > 1:
            raise app.UsageError(f"expected flags only, got {argv[1:]}")
        try:
            return main(argv)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    app.run(main_without_traceback)
