"""Shows documents that lie outside docs/, and leads links to them there.

A link to a file of the repository that the site does not show becomes its text.
"""

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
_LINK = re.compile(
    r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)"
)


def _read(app, page, content):
    del app
    path = _DOCUMENTS.get(page, _DOCS / f"{page}.md")

    def relink(link):
        target = (path.parent / link["path"]).resolve()
        if target in _PAGES:
            shown = _PAGES[target]
        elif not target.is_relative_to(_DOCS):
            return link["text"]  # The site does not have it.
        elif page not in _DOCUMENTS:
            return link[0]
        else:
            shown = target.relative_to(_DOCS).as_posix()
        return f"[{link['text']}]({shown}{link['anchor'] or ''})"

    text = path.read_text(encoding="utf-8") if page in _DOCUMENTS else content[0]
    content[0] = _LINK.sub(relink, text)


def setup(app):
    """Changes pages as they are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
