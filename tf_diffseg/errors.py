"""The error of a user's input."""

import errno
import re

# What the system says of one file, and Python, without a number, of its content.
_OF_THE_FILE = frozenset(
    {
        None,
        errno.EACCES,
        errno.EINVAL,  # a damaged header may have it read at no place
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
    """A message for the command line: `` `name=value` `` in it becomes --name=value."""
    return _MARKED_ARGUMENT.sub(r"--\1", text)


class InputError(ValueError):
    """A file, folder or argument the user gave is not as it must be.

    The message is one line that names the file or argument, what was expected and
    what came. Command lines print it without a traceback. Arguments further on in the
    message stand in backquotes, `` `name` `` or `` `name=value` ``.

    Args:
        message: a line of text.
        argument: the argument that the message starts with, if it starts with one:
            command lines have a flag of that name, and put its dashes in front.
    """

    def __init__(self, message, argument=None):
        super().__init__(message)
        self.argument = argument

    def of_command(self):
        """The message with its arguments as flags."""
        return as_flags(f"--{self}" if self.argument else str(self))


class CaseError(InputError):
    """A case that cannot be used, though others can; the message names it first."""


class MachineError(InputError):
    """Memory, a disk or a network fails: the file that was read may be good."""


def is_of_machine(error):
    """Whether an exception is the fault of the machine, not of the file it reads."""
    if isinstance(error, OSError):
        return error.errno not in _OF_THE_FILE
    return isinstance(error, MemoryError)


def reading_error(message, error):
    """What to raise of a file at which reading ended with an exception."""
    return MachineError(message) if is_of_machine(error) else InputError(message)
