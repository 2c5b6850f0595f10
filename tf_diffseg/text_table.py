"""Tables as text, and the numbers in them."""

import math


def text_table(rows):
    """A table for a terminal: two spaces between columns, all flush left.

    Args:
        rows: lists of texts, the titles first; a short one ends in empty cells.

    Returns:
        Lines of text.
    """
    rows = _of_one_length(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows
    )


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
