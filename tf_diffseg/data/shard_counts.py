"""Whether shards hold the cases that their manifest tells of."""

import os

from tf_diffseg.errors import InputError


def check_counts(manifest, shard_paths):
    """Raises InputError unless each shard is there with as many cases as it had.

    A file that ends between two records cannot be told from a whole one by itself.

    Args:
        manifest: `Manifest` of the data.
        shard_paths: from its `shard_paths`.
    """
    # TensorFlow loads only once the flags are known to be right.
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
