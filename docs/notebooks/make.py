"""Makes the notebooks of the Python files beside it, and executes them.

    python docs/notebooks/make.py

A cell begins with `# %%`, and one of text with `# %% [markdown]`. Needs
`pip install '.[docs]'`, and a few minutes.
"""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
_CELL = re.compile(r"^# %%(?P<text> \[markdown\])?\n", re.MULTILINE)
# Progress that a terminal overwrites.
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")


def cells(source):
    """Pairs of "markdown" or "code" and the text of the cells of a Python file."""
    pieces = _CELL.split(source)[1:]
    for kind, text in zip(pieces[::2], pieces[1::2], strict=True):
        if kind:
            yield "markdown", re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE)
        else:
            yield "code", text.strip()


def notebook(source):
    """The notebook of a Python file, not executed."""
    import nbformat

    made = nbformat.v4.new_notebook()
    for index, (kind, text) in enumerate(cells(source)):
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(text)
        cell["id"] = f"cell-{index}"  # The same each time.
        made.cells.append(cell)
    return made


def _shown(output):
    """An output without progress and places on this machine; None for what TensorFlow says of the machine."""
    if output["output_type"] != "stream":
        return output
    text = output["text"].replace(f"{FOLDER.parents[1]}/", "")
    output["text"] = _OVERWRITTEN.sub("", text).strip() + "\n"
    return output if output["name"] == "stdout" else None


def main():
    """Executes the notebooks that are named, or all."""
    import nbformat
    from nbclient import NotebookClient

    names = sys.argv[1:] or sorted(
        path.stem for path in FOLDER.glob("*.py") if path.name != "make.py"
    )
    for name in names:
        source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        made = notebook(source)
        NotebookClient(
            made,
            timeout=900,
            kernel_name="python3",
            resources={"metadata": {"path": FOLDER}},
        ).execute()
        for cell in made.cells:
            cell["metadata"] = {}
            if cell["cell_type"] == "code":
                cell["outputs"] = list(filter(None, map(_shown, cell["outputs"])))
        made["metadata"] = {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(made, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
