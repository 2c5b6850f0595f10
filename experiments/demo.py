"""Runs the whole chain on phantoms: convert, train, evaluate, export, segment.

    python -m experiments.demo --output_dir=demo

Each step is one of the commands that you would call on your own data, and is printed
as such. All take two and a half minutes on two CPU cores; the first picture, of the
first validation, is there after one.
"""

import json
import shutil
import time

from absl import flags

from experiments.chains import chain
from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "demo", "Folder to make; one of an earlier demo is replaced."
)
# A folder without it was not made here, and is not replaced.
_MARKER = ".tf_diffseg_demo"


def main(argv):
    """Runs the chain and says where to look."""
    del argv
    started = time.monotonic()
    folder = output_folder("output_dir", _OUTPUT_DIR.value)
    _make_folder(folder)
    shards, run, results = folder / "shards", folder / "run", folder / "results"
    export = folder / "export"
    _call("data_tools.make_phantom", output_dir=folder / "phantom", num_cases=40)
    _call(
        "data_tools.convert_nifti",
        dataset_json=folder / "phantom" / "dataset.json",
        output_dir=shards,
        split="train=0.6,validation=0.1,test=0.3",
        spacing_mm="2,2,2",
        volume_shape="32,32,32",
    )
    _call("experiments.train", config="demo", data_dir=shards, model_dir=run)
    _call("experiments.evaluate", data_dir=shards, model_dir=run, output_dir=results)
    _call("experiments.export", model_dir=run, export_dir=export)
    uid = read_manifest(shards).split("test").uids[0]
    image = folder / "phantom" / "imagesTr" / f"{uid}.nii.gz"
    segmented = folder / f"{uid}_label.nii.gz"
    _call("experiments.segment", model=export / "1", input=image, output=segmented)

    dice = json.loads((results / "metrics.json").read_text())["mean_foreground_dice"]
    minutes = (time.monotonic() - started) / 60
    print(
        f"\ndone in {minutes:.1f} minutes\n"
        f"  mean foreground Dice {dice:.3f} on the test split\n"
        f"  results           {results}, with report.html, metrics.csv and median.png\n"
        f"  while it trained  {run / 'pictures'}, validation cases\n"
        f"  exported model    {export / '1'}\n"
        f"  segmented volume  {segmented}, of {image}"
    )


def _make_folder(folder):
    if (folder / _MARKER).is_file():
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"output_dir={folder} was not made by the demo; name another",
            argument="output_dir",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()


def _call(module, **flag_values):
    code = chain.run(chain.command(module, **flag_values))
    if code:
        raise InputError(f"{module} ended with exit code {code}")


if __name__ == "__main__":
    command_line.run(main)
