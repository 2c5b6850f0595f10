"""Writes a synthetic data set in the layout of the Medical Segmentation Decathlon.

    python -m data_tools.make_phantom --output_dir=phantom --num_cases=40 --seed=0

writes `imagesTr/`, `labelsTr/` and `dataset.json`, which `data_tools.convert_nifti`
reads. Case n of a seed does not depend on the number of cases.
"""

from absl import flags

from tf_diffseg import command_line

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to write; it must be new or empty.", required=True
)
_NUM_CASES = flags.DEFINE_integer("num_cases", 40, "Number of cases.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the data set.", lower_bound=0)


def main(_):
    """Writes the data set that the flags describe."""
    from data_tools.phantoms.phantom_dataset import write_phantoms

    mean, per_class = write_phantoms(_OUTPUT_DIR.value, _NUM_CASES.value, _SEED.value)
    listed = ", ".join(f"{dice:.3f}" for dice in per_class.values())
    print(f"{_NUM_CASES.value} cases in {_OUTPUT_DIR.value}")
    print(f"best threshold: mean Dice {mean:.3f} (organ, vessel, nodule {listed})")


if __name__ == "__main__":
    command_line.run(main)
