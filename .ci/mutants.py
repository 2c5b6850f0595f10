"""Changes a part of tf_diffseg in small ways, and lists the changes no test notices.

    python .ci/mutants.py losses tests/losses tests/addons

Cosmic Ray makes the mutants, in a copy of the last commit, build/mutants/losses. Called
again at the same commit, it goes on where it stopped. Importing TensorFlow takes longer
than most tests: a process that has imported it is forked for each mutant.
"""

import contextlib
import importlib
import multiprocessing
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

# Of the many operators that may replace another, one or two: rather more places than
# more mutants of a place. Cosmic Ray adds and subtracts 1 of each number.
_KEPT = {
    "Binary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul "
    "BitAnd_BitOr BitOr_BitAnd",
    "Comparison": "Eq_NotEq NotEq_Eq Lt_LtE Lt_Gt LtE_Lt LtE_Gt Gt_GtE Gt_Lt GtE_Gt "
    "GtE_Lt Is_IsNot IsNot_Is",
    "Unary": "USub_UAdd Delete_Not",
}
_MAX_SECONDS = 120


def main(part, *tests):
    """Makes the mutants of a file or folder of tf_diffseg, and tries what is not done.

    Args:
        part: the file or folder.
        *tests: what pytest runs for each mutant.
    """
    root = pathlib.Path(__file__).resolve().parents[1]
    folder = root / "build" / "mutants" / part.replace("/", ".")
    _copy_of_last_commit(root, folder)
    server = socket.create_server(("127.0.0.1", 0))
    # A process of its own: one with threads should not be forked.
    multiprocessing.get_context("fork").Process(
        target=_serve, args=(server, folder, part, tests), daemon=True
    ).start()
    (folder / "config.toml").write_text(_config(part, server.getsockname()))
    session = folder / "session.sqlite"
    if not session.exists():
        _call(folder, "cosmic-ray", "init", "config.toml", "new.sqlite")
        _call(folder, "cr-filter-operators", "new.sqlite", "config.toml")
        (folder / "new.sqlite").rename(session)
    _call(folder, "cosmic-ray", "baseline", "config.toml")
    _call(folder, "cosmic-ray", "exec", "config.toml", "session.sqlite")
    survivors = _call(
        folder, "cr-report", "--surviving-only", "--show-diff", "session.sqlite"
    )
    (folder / "survivors.txt").write_text(survivors)
    tried = _tried(session)
    survived = tried.count("SURVIVED")
    print(f"{survived} of {len(tried)} mutants survived: {folder}/survivors.txt")


def _tried(session):
    """The outcomes in the file of a session, but for filtered mutants."""
    with contextlib.closing(sqlite3.connect(session)) as database:
        query = "select test_outcome from work_results where test_outcome is not null"
        return [outcome for (outcome,) in database.execute(query)]


def _copy_of_last_commit(root, folder):
    """Fills the folder, unless it holds this commit."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=root, text=True)
    mark = folder / "commit.txt"
    if mark.exists() and mark.read_text() == commit:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.check_output(["git", "archive", "HEAD"], cwd=root)
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    mark.write_text(commit)


def _call(folder, command, *arguments):
    """What a command beside this Python prints."""
    path = pathlib.Path(sys.executable).with_name(command)
    return subprocess.check_output([path, *arguments], cwd=folder, text=True)


def _changed(part):
    """The file of the mutant, which was written last."""
    return max(part.rglob("*.py"), key=os.path.getmtime) if part.is_dir() else part


def _ordered(tests, path):
    """The tests with the name of a file before all others: they end most mutants."""
    files = []
    for test in filter(os.path.exists, tests):
        files += [test, *map(str, pathlib.Path(test).rglob("*_test.py"))]
    others = [test for test in tests if not os.path.isdir(test)]
    first = [file for file in files if file.endswith(f"/{path.stem}_test.py")]
    return list(dict.fromkeys([*first, *filter(os.path.isfile, files), *others]))


def _serve(server, folder, part, tests):
    """Runs the tests in a fork for each connection, and answers 0 if they pass."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    for name in ("keras", "nibabel", "pytest", "scipy.ndimage", "tensorflow"):
        importlib.import_module(name)
    while True:
        connection, _ = server.accept()
        fork = os.fork()
        if not fork:
            # Of the processor: a machine that has other work kills no mutant.
            signal.setitimer(signal.ITIMER_PROF, _MAX_SECONDS)
            output = os.open("tests.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            arguments = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
            arguments += _ordered(tests, _changed(folder / "tf_diffseg" / part))
            os._exit(sys.modules["pytest"].main(arguments))
        _, status = os.waitpid(fork, 0)
        with connection:
            connection.send(b"1" if status else b"0")


def _config(part, address):
    """Configuration of Cosmic Ray, whose test is to ask `_serve`."""
    unwanted = [
        f"core/Replace{kind}Operator_(?!({'|'.join(kept.split())})$)"
        for kind, kept in _KEPT.items()
    ]
    ask = f"import socket, sys; s = socket.create_connection({address}); "
    ask += "sys.exit(s.recv(1) != bytes([48]))"
    return f"""[cosmic-ray]
module-path = ["tf_diffseg/{part}"]
timeout = 3600
excluded-modules = ["**/__init__.py"]
test-command = '''{sys.executable} -c "{ask}"'''
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = {unwanted}
"""


if __name__ == "__main__":
    main(*sys.argv[1:])
