r"""Lists the problems of all cases of a data set.

    python -m data_tools.verify_dataset --dataset_json=Task04_Hippocampus

An error keeps a case from being converted, a warning does not. The exit code is 1 if
there is an error. With the converter's flags of preprocessing, such as
`--spacing_mm=3,3,3`, it also lists what preprocessing takes away.
"""

import collections
import dataclasses
import os

from absl import flags

from data_tools.datasets.problems import Problem, Severity, print_problems
from data_tools.flags.dataset_flags import dataset_of_flags, split_by_flags
from data_tools.flags.preprocessing_flags import choice_of_flags, preprocessing_is_given
from tf_diffseg import command_line
from tf_diffseg.errors import InputError, as_flags
from tf_diffseg.output_path import output_file
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.whole_files import write_json

_REPORT_JSON = flags.DEFINE_string("report_json", None, "File to write a report to.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes that read cases.", lower_bound=1
)


def _problems():
    """`(dataset, its problems)`; without a dataset if it cannot be opened."""
    try:
        dataset = split_by_flags(dataset_of_flags())
    except InputError as error:
        return None, [Problem(Severity.ERROR, "dataset", None, error.of_command())]
    print(dataset.describe(), flush=True)
    from data_tools.conversion.worker_pool import InProcess, WorkerPool, start_reader
    from data_tools.inspection.verification import verify

    choice = choice_of_flags(dataset.channel_names)
    num_readers = min(_NUM_WORKERS.value, len(dataset.cases))
    readers = WorkerPool(num_readers, start_reader) if num_readers > 1 else InProcess()
    problems = verify(dataset, readers)
    has_error = any(problem.severity is Severity.ERROR for problem in problems)
    if preprocessing_is_given() and not has_error:
        load_tensorflow()
        from data_tools.inspection.preprocessing_trial import preprocessing_problems

        workers = WorkerPool(_NUM_WORKERS.value)
        problems += preprocessing_problems(dataset, choice, workers)
    return dataset, problems


def _report(dataset, problems, num_cases, count):
    return {
        "dataset": dataset and dataset.path,
        "convention": dataset and dataset.convention,
        "num_cases": num_cases,
        "num_errors": count[Severity.ERROR],
        "num_warnings": count[Severity.WARNING],
        "problems": [
            {
                **dataclasses.asdict(problem),
                "severity": problem.severity.value,
                "message": as_flags(problem.message),
            }
            for problem in problems
        ],
    }


def main(_):
    """Verifies the data set that the flags name, and returns the exit code."""
    if _REPORT_JSON.value is not None:
        output_file("report_json", _REPORT_JSON.value)
    dataset, problems = _problems()
    count = collections.Counter(problem.severity for problem in problems)
    print_problems(problems)
    num_cases = len(dataset.cases) if dataset else 0
    print(
        f"{num_cases} case(s), {count[Severity.ERROR]} error(s), "
        f"{count[Severity.WARNING]} warning(s)"
    )
    if _REPORT_JSON.value is not None:
        report = _report(dataset, problems, num_cases, count)
        write_json(_REPORT_JSON.value, report, indent=1)
    return 1 if count[Severity.ERROR] else 0


if __name__ == "__main__":
    command_line.run(main)
