"""What TF Serving is started with, beside the model: which model, and how batched."""

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

# Volumes differ in shape, so that requests cannot be put together; what batching does
# here is to let two requests run at a time and the others wait in line, which bounds
# memory. When the line is full, clients are told to come again.
_BATCHING = """\
max_batch_size {{ value: {max_batch_size} }}
batch_timeout_micros {{ value: 0 }}
num_batch_threads {{ value: 2 }}
max_enqueued_batches {{ value: 100 }}
"""


def write_server_files(model_dir, max_batch_size=1):
    """Writes `models.config` and `batching_parameters.txt` beside the versions.

    Files that are there stay: they may have been edited.

    Args:
        model_dir: folder of all versions of a model, which has the model's name.
        max_batch_size: volumes of a request; a server refuses larger ones.
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
