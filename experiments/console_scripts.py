"""What a wheel installs: `tf-diffseg-train` is `python -m experiments.train`.

setup.py lists them, each as a function of this module.
"""

import functools
import runpy


def _command(module):
    """Function that runs a module as `python -m` does, so that --help is the same."""
    return functools.partial(
        runpy.run_module, module, run_name="__main__", alter_sys=True
    )


convert = _command("data_tools.convert_nifti")
convert_beam = _command("data_tools.convert_beam")
verify = _command("data_tools.verify_dataset")
preview = _command("data_tools.preview_augmentation")
inspect = _command("data_tools.inspect_shards")
phantom = _command("data_tools.make_phantom")
demo = _command("experiments.demo")
auto = _command("experiments.segment_my_data")
reproduce = _command("experiments.reproduce")
train = _command("experiments.train")
evaluate = _command("experiments.evaluate")
segment = _command("experiments.segment")
export = _command("experiments.export")
client = _command("tf_diffseg.serving.client")
ablation = _command("experiments.ablation")
compare = _command("experiments.compare")
compare_runs = _command("experiments.compare_runs")
compare_windows = _command("experiments.compare_windows")
cross_validate = _command("experiments.cross_validate")
draw = _command("experiments.draw_reverse_process")
benchmark = _command("experiments.benchmark")
