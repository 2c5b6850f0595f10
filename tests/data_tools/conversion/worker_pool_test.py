"""Only the process that starts workers handles an interrupt."""

import os
import signal
import subprocess
import sys
import textwrap


def test_the_parent_handles_an_interrupt_while_workers_start(tmp_path):
    """The interrupt goes to all processes, like a terminal's, while a worker loads."""
    script = """
    import os, signal
    if __name__ == "__mp_main__":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # to have its say
        os.killpg(0, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    from tf_diffseg import command_line
    from data_tools.conversion.worker_pool import WorkerPool
    def main(_):
        with WorkerPool(1) as pool:
            list(pool.run(abs, [1, 2]))
    if __name__ == "__main__":
        command_line.run(main)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        encoding="utf-8",
        start_new_session=True,
        # A shell may have started the tests with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
