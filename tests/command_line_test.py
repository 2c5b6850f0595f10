"""How command lines fail, seen from outside the process."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tf_diffseg import command_line
from tf_diffseg.errors import InputError


def _run_main(body, *argv):
    script = f"""
    from tf_diffseg import command_line
    from tf_diffseg.errors import InputError
    def main(argv):
        {body}
    command_line.run(main)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *argv],
        capture_output=True,
        encoding="utf-8",
    )


def test_input_error_is_one_line_and_code_1():
    done = _run_main("raise InputError('no such folder x')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no such folder x\n"


def test_an_interrupt_while_modules_load_is_one_line_and_code_130():
    code = "from tf_diffseg import command_line; raise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_other_errors_keep_their_traceback():
    done = _run_main("raise KeyError('bug')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_success_is_code_0():
    done = _run_main("print('fine')")
    assert (done.returncode, done.stdout) == (0, "fine\n")


def test_sigterm_runs_finally_and_is_one_line_and_code_143():
    script = """
    import time
    from tf_diffseg import command_line
    def main(argv):
        try:
            print("ready", flush=True)
            time.sleep(60)
        except Exception:
            print("swallowed")
        finally:
            print("cleaned up")
    command_line.run(main)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (143, "cleaned up\n", "terminated\n")


_LOG = (
    "import logging as python, absl.logging as absl; "
    "absl.info('chatter'); python.getLogger('tensorflow').info('chatter'); "
    "absl.warning('trouble')"
)


def test_log_shows_warnings():
    done = _run_main(_LOG)
    assert "trouble" in done.stderr and "chatter" not in done.stderr


def test_log_shows_what_verbosity_asks_for():
    done = _run_main(_LOG, "--verbosity=0")
    assert done.stderr.count("chatter") == 2
    assert "trouble" not in _run_main(_LOG, "--verbosity=-2").stderr


def test_stray_argument_is_refused():
    done = _run_main("print('fine')", "stray")
    assert done.returncode == 1
    assert "expected flags only, got ['stray']" in done.stdout + done.stderr


def test_parse_numbers():
    assert command_line.parse_numbers("spacing_mm", None, 3) is None
    assert command_line.parse_numbers("spacing_mm", "1,1.5,2", 3) == (1.0, 1.5, 2.0)
    assert command_line.parse_numbers("volume_shape", "8,9,10", 3, int) == (8, 9, 10)


@pytest.mark.parametrize("text", ["", "x"])
def test_parse_numbers_of_any_count_speaks_of_several(text):
    message = f"--num_channels={text}: expected whole numbers separated by commas"
    with pytest.raises(InputError, match=message):
        command_line.parse_numbers("num_channels", text, 1, int)


@pytest.mark.parametrize("text", ["1,2", "1,2,x", "", "1.5,2,3"])
def test_parse_numbers_names_the_flag(text):
    with pytest.raises(InputError, match=f"--volume_shape={text}: expected 3 whole"):
        command_line.parse_numbers("volume_shape", text, 3, int)


@pytest.mark.parametrize(
    ("error", "printed"),
    [
        (InputError("out=a is full", "out"), "--out=a is full"),
        (InputError("a is full; `over` replaces it"), "a is full; --over replaces it"),
        (InputError("give `shape=1,2 3` or `out`"), "give --shape=1,2 3 or --out"),
        (
            InputError("run `python -m a --b`, not `A`"),
            "run `python -m a --b`, not `A`",
        ),
    ],
)
def test_arguments_in_a_message_are_printed_as_flags(error, printed):
    assert error.of_command() == printed
