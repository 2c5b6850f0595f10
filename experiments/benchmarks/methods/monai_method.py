"""MONAI's DiffusionModelUNet, trained plainly as its tutorials train it.

The network sees the image beside the noisy mask, one channel of -1 to 1 for each class.
It predicts the noise of one of 1000 DDPM steps, by the mean squared error; the method
`monai_x_start` differs in one thing: it predicts the mask. Whole volumes are segmented
by DDIM.
"""

import functools

import nibabel
import numpy as np
import torch
from monai import transforms
from monai.data import CacheDataset, DataLoader
from monai.inferers import DiffusionInferer
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from monai.utils import set_determinism

_NUM_TIMESTEPS = 1000
_SAMPLING_STEPS = 25
# About as many as fit some hundred steps into 20 minutes of two cores.
_CHANNELS = (16, 32, 64)
_BATCH = 2
_LEARNING_RATE = 1e-4
# Volumes must be divisible by the factor of the coarsest level.
_DIVISOR = 2 ** (len(_CHANNELS) - 1)
_WEIGHTS = "network.pt"


def prepare(job, folder):
    """Prepares nothing: volumes are read when training begins."""
    del folder
    return {
        "settings": {
            "patch": job["volume_shape"],
            "batch": _BATCH,
            "channels": _CHANNELS,
            "precision": job["precision"],
            "learning_rate": _LEARNING_RATE,
            "sampling_steps": _SAMPLING_STEPS,
            "prediction": _prediction_type(job),
        }
    }


def train(job, folder, clock):
    """Trains until the time is over."""
    set_determinism(job["seed"])
    loader = DataLoader(
        CacheDataset(job["train"], _training_transforms(job), progress=False),
        batch_size=min(_BATCH, len(job["train"])),
        shuffle=True,
        drop_last=True,
    )
    network = _network(job)
    inferer = DiffusionInferer(DDPMScheduler(_NUM_TIMESTEPS))
    predicts_noise = _prediction_type(job) == "epsilon"
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    network.train()
    clock.start()
    while not clock.is_over:
        for batch in loader:
            with _precision(job):
                loss = _loss(network, inferer, batch, predicts_noise)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            clock.step(loss.item())
            if clock.is_over:
                break
    torch.save(network.state_dict(), folder / _WEIGHTS)
    num_parameters = sum(each.numel() for each in network.parameters())
    return {"settings": {"parameters": num_parameters}}


def _loss(network, inferer, batch, predicts_noise):
    """Mean squared error of the noise, or of the mask."""
    image, mask = batch["image"].as_tensor(), batch["label"].as_tensor()
    noise = torch.randn_like(mask)
    predicted = inferer(
        inputs=mask,
        diffusion_model=network,
        noise=noise,
        timesteps=torch.randint(_NUM_TIMESTEPS, (len(mask),)),
        condition=image,
        mode="concat",
    )
    wanted = noise if predicts_noise else mask
    return torch.nn.functional.mse_loss(predicted.float(), wanted)


def _prediction_type(job):
    """MONAI's name of what the network predicts."""
    return "sample" if job["method"] == "monai_x_start" else "epsilon"


def _precision(job):
    """That of tf_diffseg: bfloat16 in products if it has mixed precision."""
    is_mixed = job["precision"] == "mixed_bfloat16"
    return torch.autocast("cpu", torch.bfloat16, enabled=is_mixed)


def predict(job, folder, labels):
    """Segments each case by one sample."""
    set_determinism(job["seed"])
    network = _network(job)
    network.load_state_dict(torch.load(folder / _WEIGHTS, weights_only=True))
    network.eval()
    # By default the steps that it visits are not those that it steps to.
    offset = _NUM_TIMESTEPS // _SAMPLING_STEPS - 1
    scheduler = DDIMScheduler(_NUM_TIMESTEPS, prediction_type=_prediction_type(job))
    # Not as an argument, which older versions check against all of their steps.
    scheduler.steps_offset = offset
    scheduler.set_timesteps(_SAMPLING_STEPS)
    sample = functools.partial(
        DiffusionInferer(scheduler).sample,
        diffusion_model=network,
        scheduler=scheduler,
        mode="concat",
        verbose=False,
    )
    read = transforms.Compose(_image_transforms(job, ["image"]))
    for case in job["test"]:
        image = read({"image": case["image"]})["image"].as_tensor()[None]
        noise = torch.randn(1, len(job["class_names"]), *image.shape[2:])
        with torch.no_grad(), _precision(job):
            mask = sample(input_noise=noise, conditioning=image)
        source = nibabel.load(case["image"])
        # Volumes were padded at their ends.
        inside = tuple(map(slice, source.shape))
        label = mask[0].argmax(0).numpy()[inside].astype(np.uint8)
        path = labels / f"{case['uid']}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(label, source.affine), path)


def _network(job):
    num_classes = len(job["class_names"])
    return DiffusionModelUNet(
        spatial_dims=3,
        in_channels=1 + num_classes,
        out_channels=num_classes,
        channels=_CHANNELS,
        attention_levels=(False, False, True),
        num_res_blocks=1,
        norm_num_groups=_CHANNELS[0],
        num_head_channels=_CHANNELS[-1],
    )


def _image_transforms(job, keys):
    return [
        transforms.LoadImaged(keys, ensure_channel_first=True),
        transforms.NormalizeIntensityd("image"),
        transforms.SpatialPadd(keys, job["volume_shape"], method="end"),
        transforms.DivisiblePadd(keys, _DIVISOR, method="end"),
    ]


def _training_transforms(job):
    keys = ["image", "label"]
    return transforms.Compose(
        [
            *_image_transforms(job, keys),
            transforms.AsDiscreted("label", to_onehot=len(job["class_names"])),
            transforms.ScaleIntensityRanged("label", 0.0, 1.0, -1.0, 1.0),
            transforms.RandSpatialCropd(keys, job["volume_shape"], random_size=False),
            transforms.RandFlipd(keys, prob=0.5, spatial_axis=0),
        ]
    )
