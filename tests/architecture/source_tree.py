"""The modules of the repository and their imports, read without running them."""

import ast
import dataclasses
import functools
import graphlib
import pathlib
import re
import textwrap

# Not `resolve`: Bazel runs tests in a tree of links to files elsewhere.
REPOSITORY = pathlib.Path(__file__).absolute().parents[2]
TOP_LEVEL = ("tf_diffseg", "data_tools", "experiments", "tests")

_DOTTED_NAME = re.compile(r"\b(?:tf_diffseg|data_tools|experiments|tests)(?:\.\w+)+")

# `python -m MODULE`, or the text of a script that does the same.
_STARTS_MODULES = re.compile(r"-m *$|\brunpy\.run_module\(")


@dataclasses.dataclass(frozen=True, order=True)
class Import:
    """One imported name with all dots of the source: `package.module.name`."""

    name: str
    line: int


@dataclasses.dataclass(frozen=True)
class Module:
    """One Python file.

    Attributes:
        name: dotted name; for `__init__.py` the name of the package.
        path: relative to the tree's root, with forward slashes.
        imports: every import, including those inside functions and in strings.
        named: modules whose names are texts of it.
        starts_modules: whether it runs modules in other processes, by `python -m`.
        exports: for a package with lazy exports, name to defining module.
        defined: the names that the file's top level binds.
        has_main: whether it can be run as a program.
    """

    name: str
    path: str
    imports: tuple[Import, ...]
    named: tuple[Import, ...]
    starts_modules: bool
    exports: dict[str, str]
    defined: frozenset[str]
    has_main: bool

    @property
    def is_package(self):
        return self.path.endswith("/__init__.py")

    @property
    def is_test(self):
        return self.path.endswith("_test.py")

    @property
    def folder(self):
        return self.path.rpartition("/")[0]


class SourceTree:
    """The modules below `root`, by dotted name."""

    def __init__(self, root=REPOSITORY):
        self.root = pathlib.Path(root)
        paths = [path for top in TOP_LEVEL for path in (self.root / top).rglob("*.py")]
        modules = [_read_module(self.root, path) for path in sorted(paths)]
        self.modules = {module.name: module for module in modules}

    def folders(self):
        """Returns the folders that hold Python files, sorted."""
        return sorted({module.folder for module in self.modules.values()})

    def is_first_party(self, name):
        return name.partition(".")[0] in TOP_LEVEL

    def resolve(self, name):
        """Returns the Module that importing the dotted `name` reaches.

        A lazily exported name leads to the module that defines it. None if there is
        no such module in the tree.
        """
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.modules.get(".".join(parts[:length]))
            if module is None:
                continue
            if length < len(parts) and parts[length] in module.exports:
                return self.resolve(f"{module.name}.{module.exports[parts[length]]}")
            return module
        return None

    def first_party_imports(self, module):
        """Yields (Import, Module) for the imports of `module` within the tree."""
        yield from self._within(module, module.imports)

    def first_party_needs(self, module):
        """Returns the modules of the tree that `module` imports or starts."""
        imported = [target for _, target in self.first_party_imports(module)]
        if not any(starter.starts_modules for starter in (module, *imported)):
            return imported
        return imported + [target for _, target in self._within(module, module.named)]

    def _within(self, module, imports):
        for found in imports:
            if self.is_first_party(found.name):
                target = self.resolve(found.name)
                if target is not None and target is not module:
                    yield found, target


def _read_module(root, path):
    relative = path.relative_to(root)
    parts = relative.with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    package = name if is_package else name.rpartition(".")[0]
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise ValueError(f"{relative}: not Python: {error}") from error
    imports = list(_imports(tree, package))
    # Tests name modules in commands and code for another process. The tests of this
    # package only mention modules.
    is_of_tests = parts[0] == "tests" and parts[:2] != ("tests", "architecture")
    if is_of_tests or _loads_by_name(tree):
        imports += _imports_in_strings(tree)
    return Module(
        name=name,
        path=relative.as_posix(),
        imports=tuple(sorted(set(imports))),
        named=tuple(_named_modules(tree)),
        # What tests name is among their imports.
        starts_modules=parts[0] != "tests"
        and any(_STARTS_MODULES.search(node.value) for node in strings(tree)),
        exports=_lazy_exports(tree, relative) if is_package else {},
        defined=frozenset(_defined_names(tree)),
        has_main=any(_is_main_guard(node) for node in tree.body),
    )


def _named_modules(tree):
    """Yields the modules that are the whole of a string."""
    for node in strings(tree):
        if _DOTTED_NAME.fullmatch(node.value):
            yield Import(node.value, node.lineno)


def _loads_by_name(tree):
    """Whether a module loads modules whose names it holds as text, in a registry."""
    return any(
        isinstance(node, ast.Call)
        and _is_import_call(node.func)
        and not list(_module_name(node.args[0]))
        for node in ast.walk(tree)
    )


def _imports(tree, package):
    """Yields the imports in a syntax tree of a module of `package`."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, line)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                name = base if alias.name == "*" else f"{base}.{alias.name}"
                yield Import(name, line)
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            yield from (Import(name, line) for name in _module_name(node.args[0]))
        elif _is_keras_of_tensorflow(node):
            yield Import("keras", line)


def _absolute(node, package):
    """Returns the absolute name of the module in an ImportFrom."""
    if node.level == 0:
        return node.module
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _is_keras_of_tensorflow(node):
    """Whether a node is `tf.keras`, the other way to Keras."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "keras"
        and getattr(node.value, "id", "") in ("tf", "tensorflow")
    )


def _is_import_call(func):
    name = getattr(func, "attr", None) or getattr(func, "id", None)
    return name in ("import_module", "__import__")


def _module_name(argument):
    """Yields the module name in a literal, or the package at its start."""
    if isinstance(argument, ast.JoinedStr) and argument.values:
        argument = argument.values[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value.rstrip(".")


def _imports_in_strings(tree):
    """Yields the modules in the strings of a test, as in `[python, "-m", name]`."""
    for node in strings(tree):
        for name in _DOTTED_NAME.findall(node.value):
            yield Import(name, node.lineno)
        if "import " in node.value:
            try:
                code = ast.parse(textwrap.dedent(node.value))
            except SyntaxError:
                continue
            for found in _imports(code, ""):
                yield Import(found.name, node.lineno)


def strings(tree):
    """Yields the nodes of all strings in a syntax tree except docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, documented)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in docstrings
        ):
            yield node


def _lazy_exports(tree, path):
    """Returns the dict that a package passes to `lazy_exports`, or {}."""
    constants = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = node.value
    for node in ast.walk(tree):
        func = node.func if isinstance(node, ast.Call) else None
        if getattr(func, "id", "") == "lazy_exports":
            table = node.args[1]
            if isinstance(table, ast.Name):
                table = constants.get(table.id)
            try:
                return ast.literal_eval(table)
            except ValueError as error:
                raise ValueError(
                    f"{path}:{node.lineno}: lazy_exports needs a dict of literals"
                ) from error
    return {}


def _defined_names(tree):
    for statement in tree.body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            yield statement.name
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                yield alias.asname or alias.name
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def _is_main_guard(node):
    return isinstance(node, ast.If) and "__main__" in ast.dump(node.test)


def circle(graph):
    """Returns the sorted nodes of one circle in a dict from nodes to nodes, or []."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return sorted(set(error.args[1]))
    return []


@functools.cache
def repository():
    """Returns the SourceTree of this repository, read once."""
    return SourceTree()
