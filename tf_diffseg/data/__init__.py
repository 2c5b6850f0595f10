"""Training data: the Example schema and the input pipeline that reads it."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "augment": "augmentation",
        "encode_example": "example_schema",
        "evaluation_dataset": "input_pipeline",
        "parse_example": "example_schema",
        "shard_file_name": "example_schema",
        "training_dataset": "input_pipeline",
    },
)
