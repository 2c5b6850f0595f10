"""Exports a trained model to a SavedModel for TF Serving.

python -m experiments.export --model_dir=RUN --export_dir=EXPORT
"""

import dataclasses

from absl import flags

from data_tools import command_line
from data_tools.quiet import load_tensorflow
from experiments.inference_options import InferenceOptions
from experiments.output_path import output_folder
from experiments.run_folder import RunFolder
from experiments.trained_models import TrainedModels

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of a training run.")
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir", None, "Folder of the model's versions; the next one is added."
)
flags.mark_flags_as_required(["model_dir", "export_dir"])


def main(argv):
    """Loads the newest checkpoint and writes the next version."""
    del argv
    run_folder = RunFolder(_MODEL_DIR.value)
    config, manifest = run_folder.config(), run_folder.manifest()
    export_dir = output_folder("export_dir", _EXPORT_DIR.value)
    load_tensorflow()

    from tf_diffseg.serving import export_saved_model

    trained = TrainedModels([run_folder.path], InferenceOptions())
    (model,) = trained.models
    model_card = {
        "dataset": manifest.dataset,
        "modality": manifest.modality,
        "license": manifest.license,
        "class_names": manifest.class_names,
        "label_values": manifest.label_values,
        "targets": dataclasses.asdict(trained.targets),
        "channel_names": manifest.channel_names,
        "preprocessing": manifest.preprocessing,
        "training": dataclasses.asdict(config),
    }
    path = export_saved_model(trained.segmenter(), model, str(export_dir), model_card)
    print(f"exported: {path}")


if __name__ == "__main__":
    command_line.run(main)
