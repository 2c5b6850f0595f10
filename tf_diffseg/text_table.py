"""Writes tables and numbers as text."""

import html
import math


def text_table(rows, right=()):
    """Writes a table for a terminal, with two spaces between columns.

    Args:
        rows: lists of texts, the titles first. A short row gets empty cells at its end.
        right: indices of the columns to align to the right, such as numbers.
    """
    columns = []
    for index, cells in enumerate(zip(*_padded(rows), strict=True)):
        align = str.rjust if index in right else str.ljust
        width = max(map(len, cells))
        columns.append([align(cell, width) for cell in cells])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def markdown_table(rows):
    """Writes a table in Markdown; `rows` as for `text_table`."""
    titles, *others = _padded(rows)
    lines = [titles, ["---"] * len(titles), *others]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def html_table(rows):
    """Writes a table in HTML; `rows` as for `text_table`."""

    def line(cells, kind):
        texts = (f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells)
        return f"<tr>{''.join(texts)}</tr>"

    titles, *others = _padded(rows)
    lines = [line(titles, "th"), *(line(cells, "td") for cells in others)]
    return "\n".join(["<table>", *lines, "</table>"])


def _padded(rows):
    length = max(map(len, rows))
    return [[*cells, *[""] * (length - len(cells))] for cells in rows]


def number_text(value, digits=3):
    """Writes a number with `digits` decimals, and None and NaN as "-"."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def spread_text(mean, std, digits=3):
    """Writes a mean and its standard deviation."""
    return f"{number_text(mean, digits)} ± {number_text(std, digits)}"
