"""How every command runs and how it fails."""

import os
import select
import signal
import sys

from absl import app, flags, logging

from tf_diffseg.errors import InputError


def parse_numbers(flag_name, text, count, number=float):
    """Reads a flag such as `--spacing_mm=1.0,1.0,2.5`.

    Args:
        flag_name: name of the flag, for the message.
        text: its value, or None if it was not given.
        count: how many numbers the flag must have.
        number: `float` or `int`.

    Returns:
        Tuple of `count` numbers, or None if `text` is None.

    Raises:
        InputError: `text` is anything else.
    """
    if text is None:
        return None
    try:
        values = tuple(number(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        kind = "whole numbers" if number is int else "numbers"
        expected = kind if count == 1 else f"{count} {kind}"
        raise InputError(
            f"--{flag_name}={text}: expected {expected} separated by commas"
        )
    return values


_PACKAGES = ("data_tools.", "experiments.", "tf_diffseg.")


class _Terminated(BaseException):
    """SIGTERM came. Like an interrupt it must pass every `except Exception`."""


def _on_sigterm(number, _):
    signal.signal(number, signal.SIG_IGN)  # a second one must not stop the cleaning up
    raise _Terminated


def _log_warnings_only():
    """Logs warnings and errors only, unless --verbosity is given."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)


def _exit_on_interrupt(kind, error, traceback):
    """Ends without a traceback if an interrupt comes before `run`."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr, flush=True)
        os._exit(130)
    sys.__excepthook__(kind, error, traceback)


# Commands import this module first, so this also holds while their modules load.
sys.excepthook = _exit_on_interrupt


def run(main, takes_arguments=False):
    """Runs `main(argv)` under absl and exits the process.

    Args:
        main: function of the list of arguments; the first one is the program's name.
        takes_arguments: whether the command takes arguments that are not flags.

    An `InputError` becomes one line on stderr and exit code 1, an interrupt exit code
    130, SIGTERM exit code 143, a closed pipe exit code 141. Every `finally` runs first.
    Every other error keeps its traceback. `--help` lists the flags of all our modules
    that the command has imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _list_all_flags()

    def main_without_traceback(argv):
        if len(argv) > 1 and not takes_arguments:
            raise app.UsageError(f"expected flags only, got {argv[1:]}")
        _log_warnings_only()
        try:
            signal.signal(signal.SIGTERM, _on_sigterm)
            return main(argv)
        except InputError as error:
            print(f"error: {error.of_command()}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except _Terminated:
            print("terminated", file=sys.stderr)
            return 143

    try:
        try:
            app.run(main_without_traceback)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_output_lost():  # Another pipe, of which the user must know.
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _is_output_lost():
    """Whether the reader of the output, such as `head`, has ended."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # Errors are always told.
    return bool(poll.poll(0))


def _list_all_flags():
    """Makes all flags of our packages flags of the main module, which --help lists."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith(_PACKAGES):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
