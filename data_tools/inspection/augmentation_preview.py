"""The picture of a case under augmentation."""

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
        options: of `tf_diffseg.data.augment`.
        split: split of the case.
        uid: name of the case; None for the split's first.
        num_draws: how many versions.
        seed: of the first version; the others follow.

    Raises:
        InputError: there is no such folder, split or case.
    """
    manifest = read_manifest(data_dir)
    example = _read_case(manifest, data_dir, split, uid)
    name = example["uid"].numpy().decode()
    rows = [(f"{name} as it is", example["image"], example["label"])]
    draw = tf.function(
        lambda stateless_seed: augment(example, stateless_seed, **options),
        autograph=False,
    )
    for index in range(num_draws):
        new = draw(tf.constant([seed + index, 0], tf.int64))
        rows.append((f"seed {seed + index}", new["image"], new["label"]))
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
        path, number = next(
            (path, of_shard.index(uid))
            for path, of_shard in zip(
                manifest.shard_paths(data_dir, split),
                manifest.split(split).uids_by_shard(),
                strict=True,
            )
            if uid in of_shard
        )
        place = f"record {number} of the shard {path}"
        record = tf.data.TFRecordDataset(path, manifest.compression).skip(number)
        return parse_example(next(iter(record)), TRAINING_KEYS)
    except (tf.errors.OpError, StopIteration) as error:
        raise InputError(
            f"case {shown(uid)}, {place}, cannot be read; "
            "see `python -m data_tools.inspect_shards --verify`"
        ) from error
