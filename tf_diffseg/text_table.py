"""Tables as text, and the numbers in them."""

import math


def text_table(rows, right=()):
    """A table for a terminal, with two spaces between columns.

    Args:
        rows: lists of texts, the titles first; a short one ends in empty cells.
        right: numbers of the columns that are flush right, as figures are; the
            others are flush left.

    Returns:
        Lines of text.
    """
    columns = []
    for index, cells in enumerate(zip(*_of_one_length(rows), strict=True)):
        flush = str.rjust if index in right else str.ljust
        width = max(map(len, cells))
        columns.append([flush(cell, width) for cell in cells])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def markdown_table(rows):
    """A table in Markdown; `rows` as for `text_table`."""
    titles, *others = _of_one_length(rows)
    lines = [titles, ["---"] * len(titles), *others]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _of_one_length(rows):
    length = max(map(len, rows))
    return [[*cells, *[""] * (length - len(cells))] for cells in rows]


def number_text(value, digits=3):
    """A number with so many digits after the point; "-" for None and NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def spread_text(mean, std, digits=3):
    """A mean and its standard deviation as text."""
    return f"{number_text(mean, digits)} ± {number_text(std, digits)}"
