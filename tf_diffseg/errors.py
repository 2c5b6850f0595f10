"""The error of a user's input."""

import errno
import re

# Error numbers of the system that concern one file. Python's own errors about the
# content of a file have no number.
_FILE_ERRORS = frozenset(
    {
        None,
        errno.EACCES,
        errno.EINVAL,  # a damaged header can lead to a position that no file has
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EOVERFLOW,
        errno.EPERM,
    }
)

_MARKED_ARGUMENT = re.compile(r"`([a-z]\w*(?:=[^`]*)?)`")


def as_flags(text):
    """Turns `` `name=value` `` in a message into --name=value, for the command line."""
    return _MARKED_ARGUMENT.sub(r"--\1", text)


class InputError(ValueError):
    """A file, folder or argument that the user gave is wrong.

    Args:
        message: one line that names the file or argument, what was expected and what
            came. Commands print it without a traceback. Arguments inside the message
            stand in backquotes, as a name or as name=value.
        argument: the argument that the message starts with, if it starts with one.
            Commands, which have a flag of that name, put the dashes in front.
    """

    def __init__(self, message, argument=None):
        super().__init__(message)
        self.argument = argument

    def of_command(self):
        """Returns the message with its arguments as flags."""
        return as_flags(f"--{self}" if self.argument else str(self))


class CaseError(InputError):
    """A case that cannot be used, though others can; the message names it first."""


class MachineError(InputError):
    """Memory, a disk or a network failed; the file that was read may be good."""


def is_of_machine(error):
    """Whether the machine, and not the file that was read, caused an exception."""
    if isinstance(error, OSError):
        return error.errno not in _FILE_ERRORS
    return isinstance(error, MemoryError)


def reading_error(message, error):
    """Returns the error to raise if reading a file ended with an exception."""
    return MachineError(message) if is_of_machine(error) else InputError(message)
