"""nnU-Net v2 on a CPU: its plan, network, loss, augmentation, optimizer and predictor.

Only the length differs: one training of as many iterations as fit, whose learning rate
falls by the same power as nnU-Net's, over the time in place of 1000 epochs. All cases
that it is given train it (`fold="all"`), and its validation, by which it chooses
nothing, is left out.
"""

import json
import os
import pathlib

_DATASET = "Dataset001_cases"
_PLANS = "nnUNetPlans"
_CONFIGURATION = "3d_fullres"
_FOLD = "all"
_EXPONENT = 0.9  # of nnU-Net's PolyLRScheduler


def prepare(job, folder):
    """Extracts the fingerprint, plans with nnU-Net's own memory, and preprocesses."""
    _set_variables(job, folder)
    _write_raw(job, folder / "raw" / _DATASET)
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprints([1], num_processes=job["cores"])
    api.plan_experiments([1])
    api.preprocess([1], configurations=(_CONFIGURATION,), num_processes=(job["cores"],))
    plans, _ = _plans(folder)
    plan = plans["configurations"][_CONFIGURATION]
    network = plan["architecture"]["arch_kwargs"]
    return {
        "settings": {
            "patch": plan["patch_size"],
            "batch": plan["batch_size"],
            "channels": network["features_per_stage"],
            "precision": "float32",
        }
    }


def train(job, folder, clock):
    """Trains until the time is over, and saves nnU-Net's final checkpoint."""
    trainer = _trainer(job, folder)
    trainer.on_train_start()
    trainer.network.train()
    clock.start()
    while not clock.is_over:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1.0 - clock.share) ** _EXPONENT
        clock.step(trainer.train_step(next(trainer.dataloader_train))["loss"])
    trainer.on_train_end()
    num_parameters = sum(each.numel() for each in trainer.network.parameters())
    return {"settings": {"parameters": num_parameters}}


def predict(job, folder, labels):
    """Predicts as nnU-Net does by default: tiles by half, mirrored along its axes."""
    trainer = _trainer(job, folder)
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.load_checkpoint(str(_checkpoint(trainer)))
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    predictor.predict_from_files_sequential(
        [[case["image"]] for case in job["test"]],
        [str(labels / case["uid"]) for case in job["test"]],
    )


def _checkpoint(trainer):
    return pathlib.Path(trainer.output_folder, "checkpoint_final.pth")


def _trainer(job, folder):
    """nnU-Net's default trainer on a CPU."""
    _set_variables(job, folder)
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.manual_seed(job["seed"])
    plans, dataset = _plans(folder)
    trainer = nnUNetTrainer(
        plans | {"continue_training": False},
        _CONFIGURATION,
        _FOLD,
        dataset,
        torch.device("cpu"),
    )
    trainer.initialize()
    return trainer


def _plans(folder):
    """nnU-Net's plans and description of the data."""
    preprocessed = folder / "preprocessed" / _DATASET
    return tuple(
        json.loads((preprocessed / name).read_text(encoding="utf-8"))
        for name in (f"{_PLANS}.json", "dataset.json")
    )


def _set_variables(job, folder):
    """Sets what nnU-Net reads from the environment while it is imported."""
    for kind in ("raw", "preprocessed", "results"):
        (folder / kind).mkdir(exist_ok=True)
        os.environ[f"nnUNet_{kind}"] = str(folder / kind)
    for name in ("nnUNet_def_n_proc", "nnUNet_n_proc_DA"):
        os.environ[name] = str(job["cores"])


def _write_raw(job, raw):
    """Links the training cases, and no other, in nnU-Net's layout."""
    for case in job["train"]:
        for kind, place in (("image", "imagesTr"), ("label", "labelsTr")):
            ending = "_0000" if kind == "image" else ""
            link = raw / place / f"{case['uid']}{ending}.nii.gz"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(case[kind])
    description = {
        "channel_names": {"0": job["channel_name"]},
        "labels": {name: index for index, name in enumerate(job["class_names"])},
        "numTraining": len(job["train"]),
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
