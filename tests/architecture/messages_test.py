"""Messages of libraries name arguments; only commands add the dashes of flags."""

import ast
import re

import pytest

from tests.architecture import source_tree

_ROOMS = (
    "data_tools/conversion",
    "data_tools/datasets",
    "data_tools/inspection",
    "data_tools/phantoms",
    "tf_diffseg/volumes",
)
_FLAG = re.compile(r"(?<!python -m data_tools.inspect_shards )--[a-z]\w+")


@pytest.mark.parametrize("room", _ROOMS)
def test_no_message_of_a_library_names_a_flag(room):
    found = []
    for path in sorted((source_tree.REPOSITORY / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [
            f"{path}:{node.lineno}: {node.value}"
            for node in source_tree.strings(tree)
            if _FLAG.search(node.value)
        ]
    assert found == []
