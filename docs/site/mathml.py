"""Writes formulas as MathML, which browsers show without a script."""

from docutils import nodes
from latex2mathml.converter import convert


def _inline(translator, node):
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    translator.body.append(convert(node.astext(), display="block"))
    raise nodes.SkipNode


def setup(app):
    """Registers the renderer; `-b html` chooses it, because it is the only one."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}
