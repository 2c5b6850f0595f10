"""The error of a user's input."""


class InputError(ValueError):
    """A file, folder or flag the user gave is not as it must be.

    The message is one line that names the file or flag, what was expected and
    what came. Command lines print it without a traceback.
    """


class CaseError(InputError):
    """A case that cannot be used, though others can; the message names it first."""
