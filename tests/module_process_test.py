"""Modules are started as `python -m` does, but not from the current folder."""

import os
import runpy
import shutil
import subprocess

from tf_diffseg import module_process


def test_a_module_of_the_current_folder_is_not_taken(tmp_path):
    checkout, folder = tmp_path / "checkout", tmp_path / "folder"
    for parent, text in ((checkout, "checkout"), (folder, "folder")):
        for name in ("experiments", "tf_diffseg"):
            (parent / name).mkdir(parents=True)
            (parent / name / "__init__.py").write_text(f"print('{name} of {text}')")
    (folder / "runpy.py").write_text("print('runpy of folder')")
    (checkout / "experiments" / "train.py").write_text(
        "import sys, tf_diffseg\nprint(__name__, sys.argv[1:])\nsys.exit(75)"
    )
    copy = checkout / "tf_diffseg" / "module_process.py"
    shutil.copy(module_process.__file__, copy)
    module_command = runpy.run_path(str(copy))["module_command"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        module_command("experiments.train", "--flag=a b", "c"),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert done.stdout.splitlines() == [
        "experiments of checkout",
        "tf_diffseg of checkout",
        "__main__ ['--flag=a b', 'c']",
    ]
    assert done.returncode == 75
