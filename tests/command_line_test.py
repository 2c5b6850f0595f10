"""How commands end, seen from outside of their process."""

import re
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.commands import run_module
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


_LOG = (
    "import logging as python, absl.logging as absl; "
    "absl.info('chatter'); python.getLogger('tensorflow').info('chatter'); "
    "absl.warning('trouble')"
)


@pytest.mark.parametrize(
    "body, arguments, code, stdout, stderr",
    [
        ("print('fine')", (), 0, r"fine\n", ""),
        ("raise InputError('no folder x')", (), 1, "", r"error: no folder x\n"),
        ("raise KeyError('bug')", (), 1, "", r".*Traceback.*"),
        (_LOG, (), 0, "", r"(?!.*chatter).*trouble.*"),
        (_LOG, ("--verbosity=0",), 0, "", r".*chatter.*chatter.*trouble.*"),
        (_LOG, ("--verbosity=-2",), 0, "", r"(?!.*trouble).*"),
    ],
)
def test_a_command_ends_with_its_code_and_output(body, arguments, code, stdout, stderr):
    done = _run_main(body, *arguments)
    assert done.returncode == code
    assert re.fullmatch(stdout, done.stdout)
    assert re.fullmatch(stderr, done.stderr, re.DOTALL)


def test_an_interrupt_while_modules_load_is_one_line_and_code_130():
    code = "from tf_diffseg import command_line; raise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


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


@pytest.mark.parametrize(
    "arguments", [["-c", "{code}"], ["-m", "data_tools.convert_nifti", "--help"]]
)
def test_a_pipe_whose_reader_has_ended_is_no_error(arguments):
    """Both while the command runs and while absl prints the help."""
    code = "command_line.run(lambda _: print('much ' * 100_000))"
    code = f"from tf_diffseg import command_line; {code}"
    arguments = [argument.format(code=code) for argument in arguments]
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.parametrize(
    "module, listed",
    [
        ("data_tools.convert_nifti", "dataset_json output_dir spacing_mm num_workers"),
        ("data_tools.verify_dataset", "dataset_json labels group_by"),
        ("experiments.train", "data_dir model_dir learning_rate memory_gib"),
        ("experiments.evaluate", "data_dir output_dir num_samples window_shape"),
        ("experiments.segment", "model input output num_samples window_shape"),
    ],
)
def test_help_lists_the_flags_of_other_modules_too(module, listed):
    printed = run_module(module, "--help").stdout
    for name in listed.split():
        assert re.search(rf"--(\[no\])?{name}:", printed), name


def test_stray_argument_is_refused():
    done = _run_main("print('fine')", "stray")
    assert done.returncode == 1
    assert "expected flags only, got ['stray']" in done.stdout + done.stderr


def test_parse_numbers():
    assert command_line.parse_numbers("spacing_mm", None, 3) is None
    assert command_line.parse_numbers("spacing_mm", "1,1.5,2", 3) == (1.0, 1.5, 2.0)
    assert command_line.parse_numbers("volume_shape", "8,9,10", 3, int) == (8, 9, 10)


@pytest.mark.parametrize(
    "text, count, expected",
    [("", 1, "whole numbers"), ("x", 1, "whole numbers")]
    + [(text, 3, "3 whole numbers") for text in ("1,2", "1,2,x", "", "1.5,2,3")],
)
def test_parse_numbers_names_the_flag(text, count, expected):
    message = f"--num={text}: expected {expected} separated by commas"
    with pytest.raises(InputError, match=message):
        command_line.parse_numbers("num", text, count, int)


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
