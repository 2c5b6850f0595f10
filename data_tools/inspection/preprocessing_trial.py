"""Preprocesses the cases of a data set without a trace, to tell what it takes away."""

import dataclasses

from data_tools.conversion.case_conversion import (
    Recipe,
    convert_case,
    measured_case,
)
from data_tools.conversion.conversion_checks import (
    all_preprocessing_warnings,
    check_is_something,
)
from data_tools.conversion.fingerprint import fingerprint_of
from data_tools.datasets.dataset import Case
from data_tools.datasets.dataset_check import Problem, Severity
from tf_diffseg.data.example_schema import IMAGE_DTYPES
from tf_diffseg.errors import CaseError, InputError


@dataclasses.dataclass(frozen=True)
class _Task:
    case: Case
    recipe: Recipe


def _measures(task):
    """`CaseMeasures`, or what is wrong with the case."""
    of = task.recipe
    try:
        return measured_case(
            task.case, of.label_values, of.num_channels, of.ignore_label
        )
    except CaseError as error:
        return str(error)


def _summary(task):
    """`CaseSummary`, or what is wrong with the case."""
    try:
        return convert_case(task.case, task.recipe).summary
    except CaseError as error:
        return str(error)


def preprocessing_problems(dataset, choice, workers):
    """Tells what preprocessing would take away from the cases of a data set.

    Args:
        dataset: `dataset.Dataset`, all of whose cases can be read.
        choice: `preprocessing_choice.Choice`.
        workers: what runs the work, such as a `worker_pool.WorkerPool`.

    Returns:
        List of `Problem`, as the converter would tell them.
    """
    recipe = Recipe(
        label_values=dataset.label_values,
        num_channels=len(dataset.channel_names),
        preprocessing={},
        image_dtype=IMAGE_DTYPES[-1],
        compression="",
        ignore_label=dataset.ignore_label,
    )
    with workers:
        try:
            recipe = _chosen(dataset, choice, recipe, workers)
            summaries, problems = _run(_summary, dataset.cases, recipe, workers)
            if problems:
                return problems
            uids_of: dict[str, list[str]] = {}
            for case in dataset.cases:
                uids_of.setdefault(case.split, []).append(case.uid)
            check_is_something(dataset, summaries, uids_of, recipe.preprocessing)
        except InputError as error:
            return [Problem(Severity.ERROR, "preprocessing", None, str(error))]
    return all_preprocessing_warnings(
        dataset, dataset.cases, summaries, recipe.preprocessing
    )


def _chosen(dataset, choice, recipe, workers):
    """The `Recipe` with the preprocessing that the cases ask for."""
    fingerprint = None
    if not choice.is_fixed:
        train = [case for case in dataset.cases if case.split == "train"]
        split = "train" if train else None
        measures, problems = _run(_measures, train or dataset.cases, recipe, workers)
        if problems:
            raise InputError(problems[0].message)
        fingerprint = fingerprint_of(list(measures.values()), split)
    config = choice.preprocessor(fingerprint).get_config()
    return dataclasses.replace(recipe, preprocessing=config)


def _run(function, cases, recipe, workers):
    """`(dict from uid to figures, problems)`."""
    tasks = [_Task(case, recipe) for case in cases]
    found, problems = {}, []
    for case, result in zip(cases, workers.run(function, tasks, "case"), strict=True):
        if isinstance(result, str):
            problem = Problem(Severity.ERROR, "preprocessing", case.uid, result)
            problems.append(problem)
        else:
            found[case.uid] = result
    return found, problems
