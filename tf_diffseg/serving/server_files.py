"""The files that TF Serving starts with: which model to serve, and how to batch."""

import pathlib

from tf_diffseg.whole_files import write_text

_MODELS = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""

# Volumes differ in shape, so requests cannot be put together. Batching only lets two
# requests run at a time while the others wait in a queue, which bounds memory. If the
# queue is full, clients are told to ask again.
_BATCHING = """\
max_batch_size {{ value: {max_batch_size} }}
batch_timeout_micros {{ value: 0 }}
num_batch_threads {{ value: 2 }}
max_enqueued_batches {{ value: 100 }}
"""


def write_server_files(model_dir, max_batch_size=1):
    """Writes `models.config` and `batching_parameters.txt` beside the versions.

    Files that exist stay: they may have been edited.

    Args:
        model_dir: folder of all versions of a model, named as the model.
        max_batch_size: largest number of volumes in a request; a server refuses more.
    """
    folder = pathlib.Path(model_dir).absolute()
    files = {
        "models.config": _MODELS.format(name=folder.name),
        "batching_parameters.txt": _BATCHING.format(max_batch_size=max_batch_size),
    }
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            write_text(path, text)
