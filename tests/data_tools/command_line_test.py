"""How command lines fail, seen from outside the process."""

import subprocess
import sys
import textwrap

import pytest

from data_tools import command_line
from data_tools.errors import InputError


def _run_main(body, *argv):
    script = f"""
    from data_tools import command_line
    from data_tools.errors import InputError
    def main(argv):
        {body}
    command_line.run(main)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *argv],
        capture_output=True,
        text=True,
    )


def test_input_error_is_one_line_and_code_1():
    done = _run_main("raise InputError('no such folder x')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no such folder x\n"


def test_other_errors_keep_their_traceback():
    done = _run_main("raise KeyError('bug')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_success_is_code_0():
    done = _run_main("print('fine')")
    assert (done.returncode, done.stdout) == (0, "fine\n")


def test_stray_argument_is_refused():
    done = _run_main("print('fine')", "stray")
    assert done.returncode == 1
    assert "expected flags only, got ['stray']" in done.stdout + done.stderr


def test_parse_numbers():
    assert command_line.parse_numbers("spacing_mm", None, 3) is None
    assert command_line.parse_numbers("spacing_mm", "1,1.5,2", 3) == (1.0, 1.5, 2.0)
    assert command_line.parse_numbers("volume_shape", "8,9,10", 3, int) == (8, 9, 10)


@pytest.mark.parametrize("text", ["1,2", "1,2,x", "", "1.5,2,3"])
def test_parse_numbers_names_the_flag(text):
    with pytest.raises(InputError, match=f"--volume_shape={text}: expected 3 whole"):
        command_line.parse_numbers("volume_shape", text, 3, int)
