"""Preprocesses the cases of a data set without writing, to find what is lost."""

import dataclasses
import functools

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
from data_tools.datasets.problems import Problem, Severity
from tf_diffseg.data.example_schema import IMAGE_DTYPES
from tf_diffseg.errors import CaseError, InputError


def preprocessing_problems(dataset, choice, workers):
    """Finds what the cases of a data set would lose by preprocessing.

    Args:
        dataset: `dataset.Dataset`, all of whose cases can be read.
        choice: `preprocessing_choice.Choice`.
        workers: runs the work, for example a `worker_pool.WorkerPool`.

    Returns:
        List of `Problem`, the same as from the converter.
    """
    recipe = Recipe.of(dataset, {}, IMAGE_DTYPES[-1])
    with workers:
        try:
            recipe = _chosen(dataset, choice, recipe, workers)
            summaries, problems = _run(_summary_of, dataset.cases, recipe, workers)
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
    """The `Recipe` with the preprocessing that is chosen for the cases."""
    fingerprint = None
    if not choice.is_fixed:
        train = [case for case in dataset.cases if case.split == "train"]
        split = "train" if train else None
        measures, problems = _run(
            measured_case, train or dataset.cases, recipe, workers
        )
        if problems:
            raise InputError(problems[0].message)
        fingerprint = fingerprint_of(list(measures.values()), split)
    config = choice.preprocessor(fingerprint).get_config()
    return dataclasses.replace(recipe, preprocessing=config)


def _run(function, cases, recipe, workers):
    """`(dict from uid to result, problems)` of a function of case and recipe."""
    task = functools.partial(_result_or_error, function, recipe)
    found, problems = {}, []
    for case, result in zip(cases, workers.run(task, cases, "case"), strict=True):
        if isinstance(result, str):
            problem = Problem(Severity.ERROR, "preprocessing", case.uid, result)
            problems.append(problem)
        else:
            found[case.uid] = result
    return found, problems


def _result_or_error(function, recipe, case):
    """The result of `function`, or the message of the case's error."""
    try:
        return function(case, recipe)
    except CaseError as error:
        return str(error)


def _summary_of(case, recipe):
    return convert_case(case, recipe).summary
