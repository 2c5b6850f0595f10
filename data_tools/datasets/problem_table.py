"""A table of problems, for people."""

import collections

from data_tools.datasets.dataset_check import warning

# Of one kind, more are counted: a note on every header of thousands hides the rest.
_MOST_ROWS = 20


def print_problems(problems, most_rows=None):
    """Prints a table; nothing where there is no problem.

    Args:
        problems: list of `dataset_check.Problem`.
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *row, message in rows:
        print("  ".join([*map(str.ljust, row, widths), message]))


def print_warnings_of(manifest):
    """Prints the warnings that a `manifest.Manifest` keeps, none more than needed."""
    warnings = [
        warning(of["kind"], of["case"], of["text"], **of["counts"])
        for of in manifest.warnings
    ]
    print_problems(warnings, _MOST_ROWS)


def _printable(text):
    """What comes from file names and JSON may hold what no terminal shows."""
    return text if text.isprintable() else ascii(text)
