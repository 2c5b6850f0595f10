"""A picture of a case and augmented versions of it."""

import tensorflow as tf

from tf_diffseg.data.augmentation import augment
from tf_diffseg.data.example_schema import TRAINING_KEYS, parse_example
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.reports.overlay import save_overlay_rows
from tf_diffseg.text import shown


def preview(output, data_dir, options, split="train", uid=None, num_draws=5, seed=0):
    """Draws a case and augmented versions of it.

    Args:
        output: PNG file to write.
        data_dir: folder of shards.
        options: dict of arguments of `tf_diffseg.data.augment`.
        split: split of the case.
        uid: name of the case; None for the first of the split.
        num_draws: number of versions.
        seed: seed of the first version; each next one adds 1.

    Raises:
        InputError: if there is no such folder, split or case.
    """
    manifest = read_manifest(data_dir)
    example = _read_case(manifest, data_dir, split, uid)
    name = example["uid"].numpy().decode()
    rows = [(f"{name} as it is", example["image"], example["label"])]
    draw = tf.function(
        lambda stateless_seed: augment(example, stateless_seed, **options),
        autograph=False,
    )
    for version_seed in range(seed, seed + num_draws):
        new = draw(tf.constant([version_seed, 0], tf.int64))
        rows.append((f"seed {version_seed}", new["image"], new["label"]))
    save_overlay_rows(
        output,
        rows,
        example["spacing_mm"].numpy(),
        manifest.class_names,
        manifest.ignored_id,
    )


def _read_case(manifest, data_dir, split, uid):
    uids = manifest.split(split).uids
    if uid is not None and uid not in uids:
        raise InputError(
            f"uid={uid} is no case of the split {split} of {data_dir}, which has "
            f"{len(uids)}, such as {uids[0]}",
            argument="uid",
        )
    uid = uids[0] if uid is None else uid
    place = f"the shards in {data_dir}"
    try:
        paths = manifest.shard_paths(data_dir, split)
        uids_by_shard = manifest.split(split).uids_by_shard()
        path, number = next(
            (path, shard_uids.index(uid))
            for path, shard_uids in zip(paths, uids_by_shard, strict=True)
            if uid in shard_uids
        )
        place = f"record {number} of the shard {path}"
        record = tf.data.TFRecordDataset(path, manifest.compression).skip(number)
        return parse_example(next(iter(record)), TRAINING_KEYS)
    except (tf.errors.OpError, StopIteration) as error:
        raise InputError(
            f"case {shown(uid)}, {place}, cannot be read; "
            "see `python -m data_tools.inspect_shards --verify`"
        ) from error
