"""The terms under which trained weights are shared, also of those made from them."""

import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.runs.run_folder import run_around
from tf_diffseg.shipped_models import find_model
from tf_diffseg.text import read_json


def terms_of_source(source):
    """Says whose data the weights of a source come from, and under what license.

    Args:
        source: as in `training.load_pretrained`.

    Returns:
        List of dicts of `source`, `license` and `attribution`, the last None if nothing
        says it: the source, then what it began from itself. Empty if nothing is known,
        as of a file of weights.
    """
    try:
        path = pathlib.Path(find_model(source))
    except InputError:
        return []
    card = path / "assets" / "model_card.json"
    if card.is_file():
        known = read_json(card)
        own, before = known, known.get("initial_weights", [])
    else:
        run = run_around(path)
        if run is None:
            return []
        own, before = {"license": run.manifest().license}, run.initial_terms()
    terms = {name: own.get(name) for name in ("license", "attribution")}
    # Versions of an export are numbers.
    name = f"{path.parent.name}/{path.name}" if path.name.isdecimal() else path.name
    return [{"source": name, **terms}, *before]


def terms_text(terms):
    """One line for each of the terms."""
    return "\n".join(
        f"note: the weights of {each['source']} are under {each['license']}"
        + (f": {each['attribution']}" if each["attribution"] else "")
        for each in terms
        if each["license"] not in (None, "", "unknown")
    )
