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
    *sorted(
        path.parent.relative_to(source_tree.REPOSITORY).as_posix()
        for path in source_tree.REPOSITORY.glob("tf_diffseg/*/__init__.py")
    ),
)
# A command, what a recipe hands to commands, a config file to name in a flag, and flags
# of another program.
_OF_COMMANDS = (
    "serving/client.py",
    "runs/recipes/published.py",
    "runs/planning/config_source.py",
    "runs/planning/gpus.py",
)
_FLAG = re.compile(r"(?<!python -m data_tools.inspect_shards )--[a-z]\w+")
_ERRORS = ("InputError", "CaseError", "MachineError")
# Names of files, packages and fields of files have a quote, a dot or a bracket at
# either end.
_ARGUMENT = re.compile(r"(?<![\w.'/])(?:[a-z]+_[a-z_]+|[a-z]+=)(?![\w.'\[])")
_NO_ARGUMENTS = {"tf_diffseg"}


def _trees(room):
    for path in sorted((source_tree.REPOSITORY / room).rglob("*.py")):
        if not path.as_posix().endswith(_OF_COMMANDS):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def _errors(tree):
    """Yields (line, message, whether it starts with an argument) of each error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _ERRORS:
            argument = [word.value for word in node.keywords if word.arg == "argument"]
            yield node.lineno, _text(node.args[0]), [*map(_text, argument)]


def _text(node):
    """The text of a string, with {} in place of values."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else "{}"


@pytest.mark.parametrize("room", _ROOMS)
def test_no_message_of_a_library_names_a_flag(room):
    found = []
    for path, tree in _trees(room):
        found += [
            f"{path}:{node.lineno}: {node.value}"
            for node in source_tree.strings(tree)
            if _FLAG.search(node.value)
        ]
    assert found == []


@pytest.mark.parametrize("room", _ROOMS)
def test_a_message_starts_with_its_argument(room):
    found = []
    for path, tree in _trees(room):
        found += [
            f"{path}:{line}: {message}"
            for line, message, argument in _errors(tree)
            if argument and not message.startswith((argument[0], "{}"))
        ]
    assert found == []


@pytest.mark.parametrize("room", _ROOMS)
def test_arguments_inside_a_message_stand_in_backquotes(room):
    found = []
    for path, tree in _trees(room):
        for line, message, argument in _errors(tree):
            rest = re.sub(r"`[^`]*`", "", message)
            if argument:
                rest = re.sub(r"^[\w{}]+=?", "", rest)
            if set(_ARGUMENT.findall(rest)) - _NO_ARGUMENTS:
                found.append(f"{path}:{line}: {message}")
    assert found == []
