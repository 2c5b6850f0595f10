"""Shows documents that lie outside docs/, and leads links to them there."""

import pathlib
import re

_DOCS = pathlib.Path(__file__).resolve().parents[1]
# A page, which for readers of the repository only links to the document, to its text.
_DOCUMENTS = {
    "changelog": _DOCS.parent / "CHANGELOG.md",
    "contributing": _DOCS.parent / "CONTRIBUTING.md",
    "hippocampus": _DOCS.parent / "experiments" / "hub" / "hippocampus" / "README.md",
}
_PAGES = {path: f"{page}.md" for page, path in _DOCUMENTS.items()}
_LINK = re.compile(r"\]\((?P<path>[^)#:\s]+\.md)(?P<anchor>#[^)\s]*)?\)")


def _read(app, page, content):
    del app
    path = _DOCUMENTS.get(page, _DOCS / f"{page}.md")

    def relink(link):
        target = (path.parent / link["path"]).resolve()
        shown = _PAGES.get(target)
        if not shown and path.parent != _DOCS and target.parent == _DOCS:
            shown = target.name
        return f"]({shown}{link['anchor'] or ''})" if shown else link[0]

    text = path.read_text(encoding="utf-8") if page in _DOCUMENTS else content[0]
    content[0] = _LINK.sub(relink, text)


def setup(app):
    """Changes pages as they are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
