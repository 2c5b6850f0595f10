"""Draws the reverse process of a run on one case."""

import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.folds.run_data import read_as_divided
from tf_diffseg.runs.run_folder import RunFolder


def draw_reverse_process(model_dir, data_dir, output, split="test", uid=None, seed=0):
    """Samples one case and draws the mask after each step.

    Args:
        model_dir: folder of a training run.
        data_dir: folder of the shards and their manifest.
        output: path of the .png to write, in a folder that exists.
        split: name of the split of the case.
        uid: name of the case; None for the first of the split.
        seed: seed of the noise.

    Returns:
        Name of the case.

    Raises:
        InputError: an argument cannot be used, or the run does not diffuse.
    """
    output = pathlib.Path(output)
    if output.suffix != ".png" or not output.parent.is_dir():
        raise InputError(
            f"output={output}: expected the path of a .png in a folder that exists",
            argument="output",
        )
    run_folder = RunFolder(model_dir)
    if run_folder.config().strategy == "supervised":
        raise InputError(
            f"model_dir={model_dir} holds a supervised run: it does not diffuse",
            argument="model_dir",
        )
    manifest = read_as_divided(data_dir, [run_folder])
    run_folder.check_data(manifest)
    uids = manifest.split(split).uids
    uid = uids[0] if uid is None else uid
    if uid not in uids:
        raise InputError(f"uid={uid} is no case of the split {split}", argument="uid")
    load_tensorflow()
    from tf_diffseg.reports import reverse_process

    shard_paths = manifest.shard_paths(data_dir, split)
    case = reverse_process.load_case(shard_paths, uids.index(uid))
    labels = targets_of(run_folder.config(), manifest).region_labels
    model = run_folder.load_model()
    steps = reverse_process.sample_steps(model, case["image"], seed, labels)
    reverse_process.draw(output, case, steps, manifest.ignored_id, labels)
    return uid
