"""Makes the API reference of docstrings that are written as plain text.

`tf_diffseg` exports the names that most people need; its packages export them as well.
Each is described once, on the page of `tf_diffseg`.
"""

import inspect
import re

import tf_diffseg

_CODE = re.compile(r"(`[^`]*`)")


def _as_restructured_text(app, what, name, obj, options, lines):
    """Escapes what reStructuredText would read as markup, outside of `code`."""
    del app, what, name, obj, options
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        indent = re.match(r"\s*(?:\* )?", line).end()
        pieces = _CODE.split(line[indent:])
        for j in range(0, len(pieces), 2):
            pieces[j] = re.sub(r"([*|])", r"\\\1", pieces[j])
            # Code that a letter follows, as in the plural `Case`s.
            if j and re.match(r"\w", pieces[j]):
                pieces[j] = rf"\ {pieces[j]}"
        lines[i] = line[:indent] + "".join(pieces)


def _name_what_is_described_elsewhere(app, what, name, obj, options, lines):
    """Adds to a package the names that the page of `tf_diffseg` describes."""
    del app, options
    if what == "module" and name != "tf_diffseg":
        shared = [f"`tf_diffseg.{each}`" for each in obj.__all__ if _is_shared(each)]
        if shared:
            lines += ["", f"It also exports {', '.join(shared)}.", ""]


def _is_shared(name):
    return name in tf_diffseg.__all__


def _skip_member(app, what, name, obj, skip, options):
    """Leaves out what Keras describes, and names of `tf_diffseg` on other pages."""
    del what, skip, options
    module = getattr(getattr(obj, "fget", obj), "__module__", None) or ""
    if module.partition(".")[0] == "keras":
        return True
    page = app.env.docname.rpartition("/")[2]
    return True if _is_shared(name) and page != "tf_diffseg" else None


def _sign_by_init(app, what, name, obj, options, signature, returned):
    """Shows the arguments of `__init__`; Keras has a `__new__` that takes any."""
    del app, name, options
    if what != "class" or not (signature or "").startswith("(*args"):
        return None
    _, *parameters = inspect.signature(obj.__init__).parameters.values()
    return str(inspect.Signature(parameters)), returned


def setup(app):
    """Registers what autodoc calls; plain text is read before Napoleon reads it."""
    app.connect("autodoc-process-docstring", _as_restructured_text, priority=400)
    app.connect("autodoc-process-docstring", _name_what_is_described_elsewhere)
    app.connect("autodoc-process-signature", _sign_by_init)
    app.connect("autodoc-skip-member", _skip_member)
    return {"parallel_read_safe": True}
