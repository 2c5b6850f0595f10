"""Writes phantoms in the layout of the Medical Segmentation Decathlon."""

import nibabel as nib

from data_tools.phantoms import phantom
from data_tools.phantoms.threshold_baseline import best_threshold_dice
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder, real_path
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.whole_files import write_json


def write_phantoms(output_dir, num_cases, seed):
    """Writes the data set, and scores the best threshold on it.

    Args:
        output_dir: new or empty folder.
        num_cases: number of cases.
        seed: seed of the data set.

    Returns:
        `threshold_baseline.best_threshold_dice` of the cases.

    Raises:
        InputError: if `output_dir` is not new or empty, or cannot be made.
    """
    output_folder("output_dir", output_dir)
    folder = real_path(output_dir)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"output_dir={output_dir} must be new or empty", argument="output_dir"
        )
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    images, labels, training = [], [], []
    with progress_bar(num_cases, "case", "write") as progress:
        for index in range(num_cases):
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
            progress.update()
    # dataset.json comes last, so a folder that has it is whole.
    write_json(folder / "dataset.json", _description(training), indent=1)
    return best_threshold_dice(images, labels)


def _description(training):
    return {
        "name": "Phantom",
        "description": "Synthetic organ, vessel and nodule",
        "reference": "data_tools.make_phantom",
        "licence": "CC0 1.0",
        "release": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {str(value): name for value, name in enumerate(phantom.CLASS_NAMES)},
        "numTraining": len(training),
        "numTest": 0,
        "training": training,
        "test": [],
    }
