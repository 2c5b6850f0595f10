"""Prints the oldest versions that setup.py allows, as constraints of pip.

python .ci/oldest.py > constraints.txt
"""

import ast
import pathlib
import re

_SETUP = pathlib.Path(__file__).parents[1] / "setup.py"
_EXTRAS = ("test",)
_OLDEST = re.compile(r"([\w.-]+)>=([\w.]+)")


def main():
    """Prints a line such as numpy==1.26 for each requirement."""
    found = {
        node.arg: ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(_SETUP.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword)
        and node.arg in ("install_requires", "extras_require")
    }
    extras = (found["extras_require"][name] for name in _EXTRAS)
    for requirement in sum(extras, found["install_requires"]):
        name, version = _OLDEST.match(requirement).groups()
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
