"""Runs the tasks of a conversion as Apache Beam pipelines.

Measuring, converting and joining to shards are a pipeline each. Tasks and their results
are small; workers write volumes to the staging folder, which all machines must see.
"""

import contextlib
import io

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners import create_runner

from data_tools.conversion.worker_pool import use_one_thread
from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line, read_json
from tf_diffseg.whole_files import write_json


class _Run(beam.DoFn):
    """Runs a function on numbered tasks and writes each result to a numbered file."""

    def __init__(self, function, results):
        self._function = function
        self._results = results

    def setup(self):
        """Called once for each worker."""
        use_one_thread()

    def process(self, numbered_task):
        """Runs one task."""
        number, task = numbered_task
        try:
            result = {"result": self._function(task)}
        except InputError as error:
            result = {"error": str(error)}  # one line for the user, not Beam's many
        write_json(self._results / f"{number}.json", result)


def _pipeline_options(options):
    """`PipelineOptions`; raises InputError on what Beam would ignore or fail with.

    Beam passes options that it does not know to the job servers of other runners. The
    DirectRunner has no job server: there, an unknown option is mistyped, perhaps the
    one that should have named another runner.
    """
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):  # argparse prints its usage there
            parsed = PipelineOptions(options)
            given = parsed.get_all_options(retain_unknown_options=True)
            runner = parsed.view_as(StandardOptions).runner or "DirectRunner"
            create_runner(runner)
    except SystemExit as error:
        reason = stderr.getvalue().strip().rpartition("error: ")[2]
        raise _refusal(options, one_line(reason)) from error
    except (AttributeError, ImportError, ValueError) as error:
        raise _refusal(options, one_line(error)) from error
    unknown = sorted(set(given) - set(PipelineOptions([]).get_all_options()))
    stray = [option for option in options[:1] if not option.startswith("-")]
    if stray or (unknown and "direct" in runner.lower()):
        names = ", ".join(stray or unknown)
        raise _refusal(options, f"Beam has no option {names} for the {runner}")
    return parsed


def _refusal(options, reason):
    given = f"beam_options={' '.join(options)}"
    return InputError(f"{given}: {reason}", argument="beam_options")


class BeamWorkers(contextlib.AbstractContextManager):
    """Runs tasks in Beam pipelines; see `worker_pool.WorkerPool`.

    Args:
        options: Beam's command line options, such as `--runner=DirectRunner`.

    Raises:
        InputError: if Beam does not know the runner or an option.
    """

    def __init__(self, options):
        self._options = _pipeline_options(options)

    def __exit__(self, *exception):
        return None

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task; see `worker_pool.WorkerPool.run`.

        `unit` and `done` have no effect: Beam's runners report progress themselves.
        """
        if not tasks:
            return
        results = tasks[0].staging.results
        for path in results.glob("*.json"):
            path.unlink()
        with beam.Pipeline(options=self._options) as pipeline:
            _ = (
                pipeline
                | "Tasks" >> beam.Create(list(enumerate(tasks)))
                # Without it, a runner may keep all tasks on one worker.
                | "Share" >> beam.Reshuffle()
                | "Run" >> beam.ParDo(_Run(function, results))
            )
        for number in range(len(tasks)):
            result = read_json(results / f"{number}.json")
            if "error" in result:
                raise InputError(result["error"])
            yield result["result"]
