"""Problems of the cases of a data set, and how they are printed."""

import collections
import dataclasses
import enum
import math

from tf_diffseg.errors import as_flags
from tf_diffseg.text import shown
from tf_diffseg.text_table import text_table

# Warnings of one kind beyond these are only counted: a thousand equal ones would hide
# the others.
_MOST_ROWS = 20
_MOST_NAMES = 5


class Severity(enum.Enum):
    """How bad a problem is: a case with an error cannot be used, a note is harmless."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        severity: see `Severity`.
        check: what was checked, in a word or two.
        uid: of the case, or None for the data set.
        message: one line that names the file.
        counts: numbers in the message by name, JSON-able.
    """

    severity: Severity
    check: str
    uid: str | None
    message: str
    counts: dict = dataclasses.field(default_factory=dict)

    @property
    def is_warning(self):
        """Whether the severity is `WARNING`."""
        return self.severity is Severity.WARNING


def warning(check, uid, message, **counts):
    """A `Problem` of severity `WARNING`."""
    return Problem(Severity.WARNING, check, uid, message, counts)


def first_names(names, show=shown):
    """The first names for a message, e.g. "'a', 'b' and 3 more"."""
    text = ", ".join(map(show, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    return f"{text} and {more} more" if more > 0 else text


def print_problems(problems, most_rows=math.inf):
    """Prints a table, or nothing if there is no problem.

    Args:
        problems: list of `Problem`.
        most_rows: for each severity and check.
    """
    if not problems:
        return
    rows = [("severity", "case", "check", "problem")]
    counts = collections.Counter()
    for problem in problems:
        severity, check = kind = (problem.severity.value, problem.check)
        counts[kind] += 1
        if counts[kind] <= most_rows:
            uid = "-" if problem.uid is None else _printable(problem.uid)
            rows.append((severity, uid, check, _printable(problem.message)))
    for (severity, check), count in counts.items():
        if count > most_rows:
            rows.append((severity, "...", check, f"and {count - most_rows} more"))
    print(text_table(rows))


def print_warnings_of(manifest):
    """Prints the first warnings of each kind that a `manifest.Manifest` keeps."""
    warnings = [
        warning(entry["kind"], entry["case"], entry["text"])
        for entry in manifest.warnings
    ]
    print_problems(warnings, _MOST_ROWS)


def _printable(text):
    """`text` for a terminal, with flags for arguments."""
    return as_flags(text if text.isprintable() else ascii(text))
