"""Checks that shards hold as many cases as their manifest says."""

import os

from tf_diffseg.errors import InputError


def check_counts(manifest, shard_paths):
    """Raises InputError unless each shard holds as many cases as the manifest says.

    A shard that is cut between two records looks whole by itself. `shard_paths` come
    from the method of that name of `manifest`.
    """
    # TensorFlow loads only after the flags have been checked.
    from tf_diffseg.data.shard_errors import named_shard_errors
    from tf_diffseg.data.shard_index import VERIFY, index_shards

    expected = {
        shard.file_name: shard.num_examples
        for split in manifest.splits.values()
        for shard in split.shards
    }
    with named_shard_errors():
        found = {path: len(index_shards([path])) for path in shard_paths}
    for path, count in found.items():
        name = os.path.basename(path)
        if count != expected[name]:
            raise InputError(
                f"shard {path} holds {count} cases, manifest.json says "
                f"{expected[name]}; {VERIFY}"
            )
