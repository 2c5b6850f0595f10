"""Writes a synthetic data set in the Medical Segmentation Decathlon's layout.

    python -m data_tools.make_phantom --output_dir=phantom --num_cases=40 --seed=0

writes `imagesTr/`, `labelsTr/` and `dataset.json`, which
`data_tools.convert_nifti` reads. Case n of a seed is always the same, however
many cases there are.
"""

import json

from absl import flags

from data_tools.conversion.output_folder import check_place, folder_of
from tf_diffseg import command_line
from tf_diffseg.errors import InputError

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to write; it must be new or empty.", required=True
)
_NUM_CASES = flags.DEFINE_integer("num_cases", 40, "Number of cases.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the data set.", lower_bound=0)


def write_phantoms(output_dir, num_cases, seed):
    """Writes the data set and says what a threshold would reach on it.

    Args:
        output_dir: folder, new or empty.
        num_cases: number of cases.
        seed: seed of the data set.

    Returns:
        `data_tools.phantoms.threshold_baseline.best_threshold_dice` of the cases.

    Raises:
        InputError: if `output_dir` is not new or empty, or cannot be made.
    """
    import nibabel as nib
    from tqdm import tqdm

    from data_tools.phantoms import phantom
    from data_tools.phantoms.threshold_baseline import best_threshold_dice

    folder = folder_of(output_dir)
    check_place(output_dir)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"--output_dir={output_dir} must be new or empty")
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    images, labels, training = [], [], []
    for index in tqdm(range(num_cases), unit="case", disable=None):
        case = phantom.make_case(seed, index)
        file_name = f"phantom_{index:03d}.nii.gz"
        for name, array in (("imagesTr", case.image), ("labelsTr", case.label)):
            volume = nib.Nifti1Image(array, case.affine)
            volume.header.set_xyzt_units("mm")
            nib.save(volume, folder / name / file_name)
        images.append(case.image)
        labels.append(case.label)
        training.append(
            {"image": f"./imagesTr/{file_name}", "label": f"./labelsTr/{file_name}"}
        )
    # Last: a folder with dataset.json is whole.
    (folder / "dataset.json").write_text(
        json.dumps(_description(training), indent=1) + "\n", encoding="utf-8"
    )
    return best_threshold_dice(images, labels)


def _description(training):
    from data_tools.phantoms.phantom import CLASS_NAMES

    return {
        "name": "Phantom",
        "description": "Synthetic organ, vessel and nodule",
        "reference": "data_tools.make_phantom",
        "licence": "CC0 1.0",
        "release": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {str(value): name for value, name in enumerate(CLASS_NAMES)},
        "numTraining": len(training),
        "numTest": 0,
        "training": training,
        "test": [],
    }


def main(_):
    """Writes the data set that the flags describe."""
    mean, per_class = write_phantoms(_OUTPUT_DIR.value, _NUM_CASES.value, _SEED.value)
    listed = ", ".join(f"{dice:.3f}" for dice in per_class.values())
    print(f"{_NUM_CASES.value} cases in {_OUTPUT_DIR.value}")
    print(f"best threshold: mean Dice {mean:.3f} (organ, vessel, nodule {listed})")


if __name__ == "__main__":
    command_line.run(main)
