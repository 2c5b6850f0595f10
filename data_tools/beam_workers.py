"""Runs the tasks of a conversion as Apache Beam pipelines.

A pipeline for each part of the way: measuring, converting, joining to shards. Tasks and
what comes of them are small; volumes go from the workers to the staging folder, which
all machines must see.
"""

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from data_tools.errors import InputError
from data_tools.staging import read_json, write_json
from data_tools.worker import use_one_thread


class _Run(beam.DoFn):
    """Runs a function on tasks and keeps results as files, numbered as the tasks."""

    def __init__(self, function, results):
        self._function = function
        self._results = results

    def setup(self):
        """Called once for each worker."""
        use_one_thread()

    def process(self, numbered):
        """Runs one task."""
        number, task = numbered
        try:
            result = {"result": self._function(task)}
        except InputError as error:
            result = {"error": str(error)}  # one line for the user, not Beam's many
        write_json(self._results / f"{number}.json", result)


class BeamWorkers:
    """Runs tasks in Beam pipelines; see `worker_pool.WorkerPool`.

    Args:
        options: Beam's command line options, such as `--runner=DirectRunner`.
    """

    def __init__(self, options):
        self._options = PipelineOptions(options)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def run(self, function, tasks, unit=None, done=0):
        """Runs `function` on every task.

        Args:
            function: of one task; defined in a module, for workers to find it.
            tasks: list.
            unit: not used: runners have progress reports of their own.
            done: not used.

        Yields:
            Results, in order.

        Raises:
            InputError: a task raised it.
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
                # Else a runner may fuse both and keep all tasks on one worker.
                | "Share" >> beam.Reshuffle()
                | "Run" >> beam.ParDo(_Run(function, results))
            )
        for number in range(len(tasks)):
            result = read_json(results / f"{number}.json")
            if "error" in result:
                raise InputError(result["error"])
            yield result["result"]
