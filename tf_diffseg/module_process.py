"""How a module of this project is started in a process of its own."""

import pathlib
import sys

_ROOT = pathlib.Path(__file__).parents[1]
# As `python -m` does, but it looks for no module in the current folder, which may have
# an `experiments` of another project. (Python 3.10 has no -P.) The folder of a checkout
# that is not installed is added.
_RUN = """
import sys
_, root, *sys.argv = sys.argv
sys.path[:] = [path for path in sys.path if path]
if root not in sys.path:
    sys.path.insert(0, root)
import runpy
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def module_command(module, *arguments):
    """The words that run `python -m module *arguments`, whatever the current folder."""
    return [sys.executable, "-c", _RUN, str(_ROOT), module, *arguments]
