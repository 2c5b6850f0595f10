import io

import pytest
import tqdm

from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.window_progress import WindowProgress


class _Clock:
    """Time that goes on by hand."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    monkeypatch.setattr("tqdm.std.time", clock)
    monkeypatch.setattr("tf_diffseg.window_progress.time.time", clock)
    monkeypatch.setattr(tqdm.tqdm, "_time", staticmethod(clock), raising=False)
    return clock


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _loop(stream, clock, seconds, num_cases=8):
    with progress_bar(num_cases, "case", "evaluate", stream=stream) as progress:
        progress._time = clock
        for _ in range(num_cases):
            clock.now += seconds
            progress.update()
    return stream.getvalue()


def test_a_log_has_lines_of_long_loops(clock):
    text = _loop(io.StringIO(), clock, seconds=10.0)
    lines = text.splitlines()
    assert "\r" not in text and 3 <= len(lines) <= 6
    assert lines[0].startswith("evaluate 2 of 8 cases, 00:20 gone, 01:00 left")
    assert lines[-1].startswith("evaluate 8 of 8 cases, 01:20 gone")


def test_a_log_has_nothing_of_short_loops(clock):
    assert _loop(io.StringIO(), clock, seconds=1.0) == ""


def test_a_terminal_has_one_line_that_changes(clock):
    text = _loop(_Terminal(), clock, seconds=1.0)
    assert text.count("\n") == 1 and text.count("\r") > 2


def _case_of(windows, stream, clock, seconds, num_samples=1, traced=True):
    progress = WindowProgress(num_samples, stream)
    if traced:
        with progress.of_case("case_0"):
            progress(1, 2)
        stream.truncate(0)
    with progress.of_case("case_1"):
        for _ in range(windows):
            clock.now += seconds
            progress(num_samples, windows)
    progress(1, windows)  # No case is shown.
    return stream.getvalue().strip("\0")


def test_a_log_says_after_the_first_window_how_long_a_case_takes(clock):
    lines = _case_of(10, io.StringIO(), clock, 5.0, num_samples=2).splitlines()
    assert lines[0] == "case_1 2 of 20 windows, 00:05 gone, 00:45 left"
    assert lines[1] == "case_1 6 of 20 windows, 00:15 gone, 00:35 left"
    assert 4 <= len(lines) <= 5


def test_the_window_that_traces_the_graph_tells_nothing_of_the_others(clock):
    stream = io.StringIO()
    progress = WindowProgress(1, stream)
    with progress.of_case("case_1"):
        for seconds in (40.0, 2.0, 2.0):
            clock.now += seconds
            progress(1, 10)
    lines = stream.getvalue().splitlines()
    assert lines == ["case_1 2 of 10 windows, 00:02 gone, 00:16 left"]


def test_quick_cases_and_those_of_one_window_show_nothing(clock):
    assert _case_of(10, io.StringIO(), clock, 1.0) == ""
    assert _case_of(1, io.StringIO(), clock, 60.0) == ""
    assert _case_of(10, _Terminal(), clock, 0.1) == ""


def test_a_terminal_shows_the_windows_until_the_case_is_done(clock):
    text = _case_of(10, _Terminal(), clock, 1.0)
    assert "3/10" in text and text.endswith("\r")
