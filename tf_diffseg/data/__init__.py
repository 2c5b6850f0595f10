"""Training data: the Example schema and the input pipeline that reads it."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "EpochOrder": "epoch_order",
        "Remainder": "remainder",
        "augment": "augmentation.chain",
        "ShardError": "shard_index",
        "damaged_record": "record_reader",
        "encode_example": "example_schema",
        "evaluation_dataset": "evaluation_pipeline",
        "index_shards": "shard_index",
        "parse_example": "example_schema",
        "shard_file_name": "example_schema",
        "steps_per_epoch": "epoch_order",
        "training_dataset": "training_pipeline",
        "validation_dataset": "validation_pipeline",
    },
)
