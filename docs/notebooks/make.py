"""Makes the notebooks of the Python files beside it, and executes them.

    python docs/notebooks/make.py

A cell begins with `# %%`, and one of text with `# %% [markdown]`. Needs
`pip install '.[docs]'`, and a few minutes.
"""

import base64
import io
import pathlib
import re
import sys
import tempfile

from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent
_CELL = re.compile(r"^# %%(?P<text> \[markdown\])?\n", re.MULTILINE)
# Progress that a terminal overwrites.
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
_PLACE = re.compile(rf"{tempfile.gettempdir()}/tmp\w+/|{FOLDER.parents[1]}/")


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


def outputs_to_show(outputs):
    """Outputs of a cell, with printed text in one piece and small pictures.

    Progress, what TensorFlow says of the machine, and places on it are left out.
    """
    shown = []
    for output in outputs:
        if output["output_type"] != "stream":
            shown.append(_with_small_picture(output))
        elif output["name"] == "stdout":
            if shown and shown[-1]["output_type"] == "stream":
                shown[-1]["text"] += output["text"]
            else:
                shown.append(output)
    for output in shown:
        if output["output_type"] == "stream":
            text = _PLACE.sub("", _OVERWRITTEN.sub("", output["text"]))
            output["text"] = text.strip() + "\n"
    return shown


def _with_small_picture(output):
    """An output whose PNG has 128 colours, if it is a large one."""
    png = output.get("data", {}).get("image/png", "")
    if len(png) > 100_000:
        file = io.BytesIO()
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
        picture.quantize(128).save(file, "png", optimize=True)
        output["data"]["image/png"] = base64.b64encode(file.getvalue()).decode()
    return output


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
                cell["outputs"] = outputs_to_show(cell["outputs"])
        made["metadata"] = {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(made, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
