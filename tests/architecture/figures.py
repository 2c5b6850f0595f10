"""How the repository is cut into rooms, the second level of packages, in figures.

A room is `tf_diffseg/data` or `data_tools/conversion` with the folders in it; what lies
beside the rooms, such as commands, is one more.
"""

import collections
import dataclasses
import itertools

TOP_LEVEL = ("tf_diffseg", "data_tools", "experiments")


@dataclasses.dataclass(frozen=True)
class Figures:
    """Counts of modules and of the imports between them.

    Attributes:
        arrows: pairs of modules, the first of which imports the second, by the pair of
            top-level packages that they are in.
        files: modules by folder, without `__init__.py`.
        command_lines: lines of each program that lies in no room, by its name.
        circles: rooms that import each other, directly or not, sorted; none where
            imports go one way.
    """

    arrows: dict[tuple[str, str], int]
    files: dict[str, int]
    command_lines: dict[str, int]
    circles: list[str]

    def __str__(self):
        """What a test prints."""
        lines = [f"arrows from {a} to {b}: {n}" for (a, b), n in self.arrows.items()]
        lines += [f"files in {folder}: {count}" for folder, count in self.files.items()]
        lines += [f"lines of {name}: {n}" for name, n in self.command_lines.items()]
        return "\n".join([*lines, f"rooms in circles: {self.circles}"])


def figures_of(tree):
    """Counts what is in a `source_tree.SourceTree`, tests aside."""
    modules = [m for m in tree.modules.values() if _top(m.name) in TOP_LEVEL]
    pairs = {
        (module.name, target.name)
        for module in modules
        for _, target in tree.first_party_imports(module)
    }
    arrows = collections.Counter((_top(a), _top(b)) for a, b in pairs)
    files = collections.Counter(
        module.folder for module in modules if not module.is_package
    )
    lines = {
        module.name: (tree.root / module.path).read_text(encoding="utf-8").count("\n")
        for module in modules
        if module.has_main and room_of(module.name, tree) == _top(module.name)
    }
    between = {(room_of(a, tree), room_of(b, tree)) for a, b in pairs}
    return Figures(
        arrows=dict(sorted(arrows.items())),
        files=dict(sorted(files.items())),
        command_lines=dict(sorted(lines.items())),
        circles=_circles({(a, b) for a, b in between if a != b}),
    )


def room_of(name, tree):
    """The room that a module is in."""
    room = ".".join(name.split(".")[:2])
    return room if tree.modules[room].is_package else _top(name)


def _top(name):
    return name.partition(".")[0]


def _circles(pairs):
    """What is left of a graph once all that lies on no circle is taken away."""
    rooms = set(itertools.chain.from_iterable(pairs))
    while True:
        ends = {a for a, _ in pairs} & {b for _, b in pairs}
        if ends == rooms:
            return sorted(rooms)
        rooms = ends
        pairs = {(a, b) for a, b in pairs if a in rooms and b in rooms}
