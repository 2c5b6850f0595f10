"""Converts a data set of medical files to TFRecord shards and their manifest.

Each worker converts one case at a time into a staging folder (see `staging`). Then the
cases are joined to shards in the order of their uids. The bytes do not depend on the
number or kind of workers, or on how often the conversion was stopped and restarted.
"""

import contextlib
import dataclasses
import itertools

from data_tools.conversion.case_conversion import (
    Recipe,
    Task,
    stage_case,
    stage_measures,
    staged_measures,
    staged_summary,
)
from data_tools.conversion.case_key import case_key
from data_tools.conversion.conversion_checks import (
    all_file_warnings,
    all_preprocessing_warnings,
    check_is_something,
    crop_warnings,
)
from data_tools.conversion.fingerprint import fingerprint_of, summarize
from data_tools.conversion.shards import ShardTask, assemble_shard, shards_of
from data_tools.conversion.shared_images import (
    cases_with_one_image,
    cases_with_one_label,
)
from data_tools.conversion.staging import staging_for
from data_tools.conversion.tfds_metadata import write_tfds_metadata
from data_tools.datasets.dataset_check import check_splits, dataset_warnings
from tf_diffseg.data.example_schema import IMAGE_DTYPES, smallest_image_dtype
from tf_diffseg.data.manifest import Manifest, Shard, Split
from tf_diffseg.errors import CaseError, as_flags
from tf_diffseg.whole_files import writing


@dataclasses.dataclass(frozen=True)
class Options:
    """How a data set is written.

    Attributes:
        num_shards: files per split, at most one per case.
        compression: of the shards, "GZIP" or "".
        skip_bad_cases: whether to leave cases out that cannot be converted.
        overwrite: whether to replace a converted data set.
    """

    num_shards: int = 4
    compression: str = ""
    skip_bad_cases: bool = False
    overwrite: bool = False


def convert(dataset, output_dir, preprocessing, workers, options, skipped=None):
    """Converts a data set; `output_dir` appears whole or not at all.

    Args:
        dataset: `dataset.Dataset` from `split_plan.with_splits`: every case has a
            split.
        output_dir: folder to make.
        preprocessing: `preprocessing_choice.Choice`.
        workers: what runs the tasks, such as a `worker_pool.WorkerPool`.
        options: `Options`.
        skipped: dict from uid to reason, of the cases that are already left out.

    Returns:
        The `Manifest` that was written.

    Raises:
        InputError: if a file, a split or `output_dir` is not as it must be.
    """
    with contextlib.ExitStack() as stack:
        staging = stack.enter_context(staging_for(output_dir, options.overwrite))
        stack.enter_context(workers)
        conversion = _Conversion(dataset, staging, workers, options, skipped or {})
        manifest = conversion.run(preprocessing)
        with writing(output_dir):
            if not options.compression:
                write_tfds_metadata(staging.shards, manifest)
            manifest.write(staging.shards)
    return manifest


def _case_splits(dataset):
    """Dict from split name to sorted uids, in the data set's order of splits."""
    splits = {}
    for case in sorted(dataset.cases, key=lambda case: case.uid):
        splits.setdefault(case.split, []).append(case.uid)
    names = [name for name in dataset.split_order if name in splits]
    return {name: splits[name] for name in names or sorted(splits)}


class _Conversion:
    """One run of `convert`; see there for the arguments."""

    def __init__(self, dataset, staging, workers, options, skipped):
        self._dataset = dataset
        self._uids_of = _case_splits(dataset)
        cases = {case.uid: case for case in dataset.cases}
        self._cases = [cases[uid] for uids in self._uids_of.values() for uid in uids]
        self._staging = staging
        self._workers = workers
        self._options = options
        self._skipped = dict(skipped)

    def run(self, preprocessing):
        preprocessor, image_dtype = self._choose(preprocessing)
        compression = self._options.compression
        config = preprocessor.get_config()
        recipe = Recipe.of(self._dataset, config, image_dtype, compression)
        tasks = self._tasks(recipe)
        staging = self._staging
        in_shards = staging.keys_in_shards()
        self._run(stage_case, tasks, lambda key: staging.is_staged(key, in_shards))
        summaries = {
            uid: staged_summary(staging, task.key) for uid, task in tasks.items()
        }
        measures = {uid: summary.measures for uid, summary in summaries.items()}
        warnings = self._drop_shared_images(tasks, measures)
        self._check_splits(tasks)
        summaries = {uid: summaries[uid] for uid in tasks}
        fingerprint = self._fingerprint(measures)
        warnings += self._check(tasks, summaries, measures, recipe.preprocessing)
        splits = self._write_shards(tasks, summaries)
        warnings += crop_warnings(splits, recipe.preprocessing)
        return self._manifest(recipe, splits, fingerprint, warnings)

    def _manifest(self, recipe, splits, fingerprint, warnings):
        dataset = self._dataset
        uids = [uid for split in splits.values() for uid in split.uids]
        return Manifest(
            dataset=dataset.name,
            modality=dataset.modality,
            license=dataset.license,
            class_names=dataset.class_names,
            label_values=dataset.label_values,
            ignore_label=dataset.ignore_label,
            channel_names=dataset.channel_names,
            regions=[dataclasses.asdict(region) for region in dataset.regions],
            preprocessing=recipe.preprocessing,
            splits=splits,
            image_dtype=recipe.image_dtype,
            compression=recipe.compression,
            fingerprint=fingerprint,
            groups={uid: dataset.groups[uid] for uid in uids if dataset.groups},
            skipped={uid: as_flags(why) for uid, why in sorted(self._skipped.items())},
            warnings=[
                {
                    "case": problem.uid,
                    "kind": problem.check,
                    "text": as_flags(problem.message),
                    "counts": problem.counts,
                }
                for problem in sorted(warnings, key=lambda problem: problem.uid or "")
            ],
        )

    def _check(self, tasks, summaries, measures, preprocessing):
        """Warnings of all cases; raises InputError if there is nothing to learn."""
        check_is_something(self._dataset, summaries, self._uids_of, preprocessing)
        cases = [task.case for task in tasks.values()]
        return [
            *dataset_warnings(self._dataset),
            *all_file_warnings(self._dataset, cases, measures),
            *all_preprocessing_warnings(self._dataset, cases, summaries, preprocessing),
        ]

    def _tasks(self, recipe):
        """Dict from uid to the `Task` of each case that is not left out."""
        tasks = {}
        for case in self._cases:
            if case.uid in self._skipped:
                continue
            try:
                key = case_key(case, recipe)
            except CaseError as error:
                self._leave_out(case.uid, str(error))
            else:
                tasks[case.uid] = Task(case, key, recipe, self._staging)
        return tasks

    def _leave_out(self, uid, reason):
        if not self._options.skip_bad_cases:
            raise CaseError(reason)
        self._skipped[uid] = reason

    def _run(self, function, tasks, is_done):
        """Runs `function` on the tasks that are not done; removes the bad ones."""
        to_do = {uid: task for uid, task in tasks.items() if not is_done(task.key)}
        results = self._workers.run(
            function, list(to_do.values()), "case", len(tasks) - len(to_do)
        )
        for uid, problem in zip(to_do, results, strict=True):
            if problem is not None:
                self._leave_out(uid, problem)
                del tasks[uid]

    def _check_splits(self, tasks):
        """Raises InputError if all cases of a split are left out."""
        check_splits(self._dataset, [t.case for t in tasks.values()], self._skipped)

    def _choose(self, preprocessing):
        """`(preprocessor, image_dtype)`; measures the cases if they decide."""
        if preprocessing.is_fixed:
            preprocessor = preprocessing.preprocessor()
            if not preprocessor.keeps_values:
                return preprocessor, IMAGE_DTYPES[-1]
        tasks = self._tasks(Recipe.of(self._dataset, {}, image_dtype=""))
        measures_path = self._staging.measures_path
        self._run(stage_measures, tasks, lambda key: measures_path(key).is_file())
        self._check_splits(tasks)
        measures = {
            uid: staged_measures(self._staging, task.key) for uid, task in tasks.items()
        }
        preprocessor = preprocessing.preprocessor(self._fingerprint(measures))
        if not preprocessor.keeps_values:
            return preprocessor, IMAGE_DTYPES[-1]
        return preprocessor, _common_dtype(measures.values())

    def _fingerprint(self, measures):
        """Fingerprint of the training cases, or of all cases without such a split."""
        split = "train" if "train" in self._uids_of else None
        uids = self._uids_of[split] if split else [case.uid for case in self._cases]
        return fingerprint_of([measures[uid] for uid in uids if uid in measures], split)

    def _drop_shared_images(self, tasks, measures):
        """Removes the cases whose image is in two splits; returns other warnings."""
        cases = [task.case for task in tasks.values()]
        warnings, errors = cases_with_one_image(cases, measures)
        for problem in errors:
            self._leave_out(problem.uid, problem.message)
            del tasks[problem.uid], measures[problem.uid]
        cases = [task.case for task in tasks.values()]
        return warnings + cases_with_one_label(cases, measures)

    def _write_shards(self, tasks, summaries):
        uids_of = {
            name: [uid for uid in uids if uid in tasks]
            for name, uids in self._uids_of.items()
        }
        shards = {
            name: shards_of(self._dataset.name, name, uids, self._options.num_shards)
            for name, uids in uids_of.items()
        }
        self._assemble(
            {
                name: [tasks[uid] for uid in uids]
                for name, uids in itertools.chain.from_iterable(shards.values())
            }
        )
        return {
            split: Split(
                uids_of[split],
                [
                    Shard(name, len(uids), self._staging.done(name)["sha256"])
                    for name, uids in of_split
                ],
                summarize([summaries[uid] for uid in uids_of[split]]),
            )
            for split, of_split in shards.items()
        }

    def _assemble(self, tasks_of):
        """Makes the missing shards of a dict from file name to `Task`s."""
        for path in self._staging.shards.iterdir():
            if path.name not in tasks_of:
                path.unlink()  # from a run with other splits or another `num_shards`
        to_do = {}
        for name, tasks in tasks_of.items():
            done = self._staging.done(name)
            if done is None or done["keys"] != [task.key for task in tasks]:
                to_do[name] = tasks
        # Such a run may have moved records into the shards removed above.
        again = {task.case.uid: task for tasks in to_do.values() for task in tasks}
        self._run(stage_case, again, self._staging.is_staged)
        shard_tasks = [
            ShardTask(name, [task.key for task in tasks], self._staging)
            for name, tasks in to_do.items()
        ]
        for _ in self._workers.run(assemble_shard, shard_tasks):
            pass


def _common_dtype(measures):
    """The smallest type that holds the images of all cases exactly."""
    measures = list(measures)
    return smallest_image_dtype(
        min(min(measure.intensity["min"]) for measure in measures),
        max(max(measure.intensity["max"]) for measure in measures),
        all(measure.is_whole for measure in measures),
    )
