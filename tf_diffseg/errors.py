"""The error of a user's input."""

import errno

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


class InputError(ValueError):
    """A file, folder or flag the user gave is not as it must be.

    The message is one line that names the file or flag, what was expected and
    what came. Command lines print it without a traceback.
    """


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
