"""The blocks of code in the documents, and what their markers say of them.

A block is run by `run_blocks_test.py`, unless the comment before it says otherwise:

    <!-- not run: why -->
    <!-- run by: tests/path_test.py -->
"""

import dataclasses
import re
import shlex

from tests.architecture.source_tree import REPOSITORY

_OUTSIDE_DOCS = (
    "README.md",
    "CONTRIBUTING.md",
    "experiments/hub/hippocampus/README.md",
)
DOCUMENTS = tuple(
    path.relative_to(REPOSITORY).as_posix()
    for path in (
        *(REPOSITORY / path for path in _OUTSIDE_DOCS),
        *sorted(REPOSITORY.glob("docs/**/*.md")),
    )
    if path.is_file()
)
# `tests/extending_test.py` puts its blocks into a copy of the library.
RUN_AS_A_PAGE = {"docs/extending.md": "tests/extending_test.py"}

_BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]*?) -->\n\n?)?"
    r"^(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        document: path of its document, relative to the repository.
        line: line of its fence.
        kind: "bash", "console" (commands after a "$ ", each with what it prints),
            "python", "text", ..., or a directive, as "{toctree}".
        text: its lines.
        marker: text of the comment before it, or None.
    """

    document: str
    line: int
    kind: str
    text: str
    marker: str | None

    @property
    def is_code(self):
        return self.kind in ("bash", "console", "python")

    @property
    def is_run(self):
        """Whether `run_blocks_test.py` runs it."""
        marked = self.marker or self.document in RUN_AS_A_PAGE
        return self.is_code and not marked

    def commands(self):
        """Pairs of the words of a command and the lines that it is said to print."""
        if self.kind == "bash":
            return [(words, []) for words in map(_words, _joined(self.text)) if words]
        pieces = self.text.split("$ ")[1:] if self.kind == "console" else []
        lines = [_joined(piece) for piece in pieces]
        return [(_words(command), printed) for command, *printed in lines]


def blocks(document):
    """The blocks of a document, in order."""
    text = read(document)
    return [
        Block(
            document,
            text.count("\n", 0, match.start("fence")) + 1,
            match["kind"],
            match["text"],
            match["marker"],
        )
        for match in _BLOCK.finditer(text)
    ]


def read(document):
    return (REPOSITORY / document).read_text(encoding="utf-8")


def without_blocks(document):
    return _BLOCK.sub("", read(document))


def _joined(text):
    return text.replace("\\\n", " ").splitlines()


def _words(line):
    words = shlex.split(line, comments=True)
    return words[: words.index(">")] if ">" in words else words
