"""Shards of which only some cases are read. Loads no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SomeCases:
    """Some of the cases in shards.

    Whatever takes the paths of shards takes this as well: it iterates over the paths,
    and `index_shards` gives only these cases.

    Attributes:
        shard_paths: paths of the shards.
        numbers: numbers of the cases, counted over all shards from 0.
    """

    shard_paths: tuple[str, ...]
    numbers: tuple[int, ...]

    def __iter__(self):
        return iter(self.shard_paths)
