"""Shows the flow charts of the documents, chains of Mermaid, as lists.

GitHub draws them with Mermaid, three megabytes of script. A chain is a list: on a phone
it stays readable, and the site needs no script for it.
"""

import re

from docutils import nodes
from docutils.parsers.rst import Directive

_FIRST = re.compile(r"\s*\w+\[(?P<text>[^\]]+)\] -->")
_LINK = re.compile(r"-->\|(?P<how>[^|]+)\| \w+\[(?P<text>[^\]]+)\]")


class Flowchart(Directive):
    """A chain `A[text] -->|how| B[text]`, whose lines follow each other."""

    has_content = True

    def run(self):
        """Returns the list, an item a box: what leads to it, and its text."""
        lines = list(self.content)
        links = [_LINK.search(line) for line in lines[1:]]
        first = _FIRST.match(lines[1])
        if not first or not all(links):
            raise self.error("expected a chain of boxes: A[text] -->|how| B[text]")
        chain = nodes.enumerated_list(classes=["flowchart"])
        chain += nodes.list_item("", nodes.paragraph(text=first["text"]))
        for link in links:
            how = nodes.emphasis(text=link["how"])
            text = nodes.paragraph("", "", how, nodes.Text(link["text"]))
            chain += nodes.list_item("", text)
        return [chain]


def setup(app):
    """Registers the directive."""
    app.add_directive("mermaid", Flowchart)
    return {"parallel_read_safe": True}
