"""What is wrong with the cases of a data set, and how that is told."""

import collections
import dataclasses
import enum

from tf_diffseg.errors import as_flags
from tf_diffseg.text_table import text_table

# Of one kind, more are counted: a note on every header of thousands hides the rest.
_MOST_ROWS = 20


class Severity(enum.Enum):
    """How bad a problem is: an error keeps a case from being used, a note is none."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        severity: see `Severity`.
        check: what was looked at, in a word or two.
        uid: of the case, or None for the data set.
        message: one line that names the file.
        counts: figures of the message by name, JSON-able.
    """

    severity: Severity
    check: str
    uid: str | None
    message: str
    counts: dict = dataclasses.field(default_factory=dict)

    @property
    def is_warning(self):
        """Whether it keeps no case from being used, and is more than a note."""
        return self.severity is Severity.WARNING


def warning(check, uid, message, **counts):
    """A `Problem` that keeps no case from being used."""
    return Problem(Severity.WARNING, check, uid, message, counts)


def print_problems(problems, most_rows=None):
    """Prints a table; nothing where there is no problem.

    Args:
        problems: list of `Problem`.
        most_rows: of one severity and check, or None for all.
    """
    if not problems:
        return
    rows = [("severity", "case", "check", "problem")]
    told = collections.Counter()
    for problem in problems:
        kind = (problem.severity.value, problem.check)
        told[kind] += 1
        if most_rows is not None and told[kind] > most_rows:
            continue
        uid = "-" if problem.uid is None else _printable(problem.uid)
        rows.append((kind[0], uid, kind[1], _printable(problem.message)))
    for kind, count in told.items():
        if most_rows is not None and count > most_rows:
            rows.append((kind[0], "...", kind[1], f"and {count - most_rows} more"))
    print(text_table(rows))


def print_warnings_of(manifest):
    """Prints the warnings that a `manifest.Manifest` keeps, none more than needed."""
    warnings = [
        warning(of["kind"], of["case"], of["text"], **of["counts"])
        for of in manifest.warnings
    ]
    print_problems(warnings, _MOST_ROWS)


def _printable(text):
    """For a terminal, which shows not all that file names and JSON may hold."""
    return as_flags(text if text.isprintable() else ascii(text))
