"""A data set of medical files to TFRecord shards and their manifest.

Cases are converted by worker processes, one case at a time each, and written by
this one in the order of their uids, so that the bytes do not depend on how many
workers there are.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import multiprocessing

import tensorflow as tf
from tqdm import tqdm

from data_tools import case_conversion, case_statistics
from data_tools.errors import InputError
from data_tools.manifest import Manifest, Shard, Split, file_sha256
from data_tools.output_folder import staged_folder
from data_tools.splits import assign_splits
from data_tools.tfds_metadata import write_tfds_metadata
from data_tools.worker import start_worker
from tf_diffseg.data.example_schema import shard_file_name


def convert(
    dataset,
    output_dir,
    fractions,
    preprocessor,
    num_shards=4,
    num_workers=1,
    overwrite=False,
):
    """Converts a data set; `output_dir` appears whole or not at all.

    Args:
        dataset: `dataset.Dataset`.
        output_dir: folder to make.
        fractions: dict from split name to fraction, from `splits.parse_split`; not
            used where the data set says itself which split a case is in.
        preprocessor: `VolumePreprocessor`, whose config the manifest keeps.
        num_shards: files per split, never more than it has cases.
        num_workers: worker processes.
        overwrite: whether to replace a converted data set.

    Returns:
        The `Manifest` that was written.

    Raises:
        InputError: if a file, a split or `output_dir` is not as it must be.
    """
    uids_of = _splits(dataset, fractions)
    cases = {case.uid: case for case in dataset.cases}
    in_order = [cases[uid] for uids in uids_of.values() for uid in uids]
    convert_case = functools.partial(
        case_conversion.convert_case,
        label_values=dataset.label_values,
        num_channels=len(dataset.channel_names),
        preprocessing=preprocessor.get_config(),
    )
    with (
        staged_folder(output_dir, overwrite) as folder,
        _converted(convert_case, in_order, num_workers) as converted,
    ):
        splits = {
            name: _write_split(folder, dataset.name, name, uids, num_shards, converted)
            for name, uids in uids_of.items()
        }
        manifest = Manifest(
            dataset=dataset.name,
            modality=dataset.modality,
            license=dataset.license,
            class_names=dataset.class_names,
            label_values=dataset.label_values,
            channel_names=dataset.channel_names,
            regions=[dataclasses.asdict(region) for region in dataset.regions],
            preprocessing=preprocessor.get_config(),
            splits=splits,
        )
        write_tfds_metadata(folder, manifest)
        manifest.write(folder)
    return manifest


def _splits(dataset, fractions):
    """Dict from split name to sorted uids."""
    if not dataset.has_splits:
        return assign_splits([case.uid for case in dataset.cases], fractions)
    splits = {}
    for case in sorted(dataset.cases, key=lambda case: case.uid):
        splits.setdefault(case.split, []).append(case.uid)
    return dict(sorted(splits.items()))


@contextlib.contextmanager
def _converted(convert_case, cases, num_workers):
    """Gives an iterator over converted cases, in order, while workers convert."""
    pool = concurrent.futures.ProcessPoolExecutor(
        min(num_workers, len(cases)),
        # A fork of a process that has loaded TensorFlow can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
    )
    progress = tqdm(total=len(cases), unit="case", disable=None)
    not_ours = multiprocessing.active_children()
    try:
        yield _in_order(pool, convert_case, cases, 2 * num_workers, progress)
    except concurrent.futures.process.BrokenProcessPool as error:
        raise InputError(
            "a worker process died, most likely for want of memory: "
            f"try fewer than --num_workers={num_workers}"
        ) from error
    except BaseException:
        # A case may take minutes, and nobody waits for it any more.
        for process in multiprocessing.active_children():
            if process not in not_ours:
                process.terminate()
        raise
    finally:
        progress.close()
        pool.shutdown(cancel_futures=True)


def _in_order(pool, function, items, ahead, progress):
    """Maps in order, never more than `ahead` results waiting to be written."""
    pending = collections.deque()
    items = iter(items)
    while True:
        for item in itertools.islice(items, ahead - len(pending)):
            pending.append(pool.submit(function, item))
        if not pending:
            return
        result = pending.popleft().result()
        progress.update()
        yield result


def _write_split(folder, dataset, split, uids, num_shards, converted):
    """Writes the next `len(uids)` converted cases as one split."""
    num_shards = min(num_shards, len(uids))
    bounds = [len(uids) * index // num_shards for index in range(num_shards + 1)]
    shards, summaries = [], []
    for index, (start, stop) in enumerate(itertools.pairwise(bounds)):
        path = folder / shard_file_name(dataset, split, index, num_shards)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for case in itertools.islice(converted, stop - start):
                writer.write(case.example)
                summaries.append(case.summary)
        shards.append(Shard(path.name, stop - start, file_sha256(path)))
    return Split(uids, shards, case_statistics.summarize(summaries))
