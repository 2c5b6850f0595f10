# %% [markdown]
# # The reverse process
#
# A diffusion model makes a segmentation out of noise, step by step. This notebook makes
# data, trains a small model in two minutes on two CPU cores, and watches it do so.

# %%
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

import matplotlib.pyplot as plt
import nibabel
import numpy as np
from IPython.display import Image
from matplotlib.animation import FuncAnimation, PillowWriter

import tf_diffseg
from tf_diffseg.reports import sample_steps

work = pathlib.Path(tempfile.mkdtemp())


def run(command):
    """Runs `python ...` as a terminal does, in `work`, and prints what it says."""
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=work, capture_output=True, text=True)
    print(done.stdout + (done.stderr if done.returncode else ""))
    done.check_returncode()


# %% [markdown]
# ## Data
#
# Phantoms: an organ, in it a vessel and a nodule, in a body with bright and dark spots
# that are none of them. Files first, then shards, which training reads.

# %%
run("python -m data_tools.make_phantom --output_dir=DATA --num_cases=28 --seed=0")
run(
    "python -m data_tools.convert_nifti --dataset_json=DATA/dataset.json "
    "--output_dir=SHARDS --spacing_mm=3,3,3 --volume_shape=24,24,24 "
    "--split=train=0.7,validation=0.1,test=0.2"
)

# %% [markdown]
# What augmentation makes of a case. Training sees such versions; the outlines are those of
# the label map, which moves with the image.

# %%
run("python -m data_tools.preview_augmentation --data_dir=SHARDS --output=preview.png")
Image(work / "preview.png", width=500)

# %% [markdown]
# ## Training
#
# Recycling: the network learns on masks that are made of its own earlier prediction. Few
# cases and few epochs, so no augmentation here.

# %%
config = tf_diffseg.TrainConfig(
    patch_shape=(24, 24, 24),
    epochs=20,
    learning_rate=5e-3,
    validation_frequency=5,
    num_channels=(16, 32, 64),
    num_blocks=(1, 1, 1),
    affine_probability=0.0,
    elastic_probability=0.0,
    noise_probability=0.0,
    blur_probability=0.0,
    low_resolution_probability=0.0,
)
trained = tf_diffseg.train(config, work / "SHARDS", work / "RUN")

# %%
lines = (work / "RUN" / "metrics.jsonl").read_text().splitlines()
epochs = [json.loads(line) for line in lines]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
axes[0].plot([epoch["loss"] for epoch in epochs])
axes[0].set(xlabel="epoch", ylabel="loss")
validated = [i for i, epoch in enumerate(epochs) if "val_dice" in epoch]
axes[1].plot(validated, [epochs[i]["val_dice"] for i in validated], marker="o")
axes[1].set(xlabel="epoch", ylabel="Dice of the validation cases", ylim=(0, 1))
plt.show()

# %% [markdown]
# ## From noise to segmentation
#
# Sampling begins with pure noise. At each step the network predicts the segmentation, and
# the next mask is a mixture of that prediction and less noise. Training used five steps;
# here there are 21, to watch it.

# %%
model = trained.load_model()
model.compile(sampler="ddim:num_timesteps=21")
shards = sorted(map(str, (work / "SHARDS").glob("*-test.tfrecord-*")))
case = next(iter(tf_diffseg.evaluation_dataset(shards, ("uid", "image", "label"))))
image, truth = case["image"].numpy(), case["label"].numpy()
steps = sample_steps(model, image, seed=0)
print(f"{case['uid'].numpy().decode()}: {len(steps)} steps")

# %%
cut = int(np.median(np.nonzero(truth)[2]))
colours = np.array([[0, 0, 0], [0.3, 0.8, 0.5], [1, 0.4, 0.4], [0.35, 0.7, 1]])


def frame(step):
    """The noisy mask and the prediction of a step, as colours [x, y, 3]."""
    mask = np.clip((step.x_t[:, :, cut] + 1) / 2, 0, 1)
    return np.clip(mask @ colours, 0, 1), colours[step.predicted[:, :, cut]]


figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), layout="constrained")
still = image[:, :, cut, 0].T
axes[0].imshow(still, cmap="gray", origin="lower")
axes[3].imshow(colours[truth[:, :, cut]].transpose(1, 0, 2), origin="lower")
moving = [axis.imshow(np.zeros((24, 24, 3)), origin="lower") for axis in axes[1:3]]
names = ("image", "noisy mask", "predicted", "ground truth")
for axis, name in zip(axes, names, strict=True):
    axis.set_title(name)
    axis.set_axis_off()


def draw(index):
    """Draws the frame of a step; the last one stays for a while."""
    step = steps[min(index, len(steps) - 1)]
    for artist, picture in zip(moving, frame(step), strict=True):
        artist.set_data(picture.transpose(1, 0, 2))
    figure.suptitle(f"step {len(steps) - step.t_index} of {len(steps)}")
    return moving


FuncAnimation(figure, draw, frames=len(steps) + 6).save(
    work / "reverse.gif", PillowWriter(fps=4), dpi=65
)
plt.close(figure)
Image(work / "reverse.gif")

# %% [markdown]
# ## Uncertainty
#
# Other noise gives another sample. Where samples differ, or where their mean is undecided,
# the model is not sure; that is mostly along the borders.

# %%
uid = case["uid"].numpy().decode()
scan = work / "DATA" / "imagesTr" / f"{uid}.nii.gz"
run(
    f"python -m experiments.segment --model=RUN --input={scan} --output=label.nii.gz "
    "--num_samples=8"
)
volumes = json.loads((work / "label_volumes.json").read_text())
for name, found in volumes["classes"].items():
    low, high = found["interval_ml"]
    print(f"{name}: {low:.2f} to {high:.2f} ml in 95% of the samples")

# %%
entropy = np.asarray(nibabel.load(work / "label_entropy.nii.gz").dataobj)
label = np.asarray(nibabel.load(work / "label.nii.gz").dataobj)
middle = int(np.median(np.nonzero(label)[2]))
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
pictures = (np.asarray(nibabel.load(scan).dataobj), label, entropy)
for axis, picture, name in zip(
    axes, pictures, ("scan", "label map", "entropy"), strict=True
):
    axis.imshow(picture[:, :, middle].T, cmap="gray", origin="lower")
    axis.set_title(name)
    axis.set_axis_off()
plt.show()

# %% [markdown]
# ## Report
#
# Scores of every test case on the grid of its file, and `RESULTS/report.html` to look at
# them in a browser.

# %%
run(
    "python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN --output_dir=RESULTS"
)
Image(work / "RESULTS" / "worst.png", width=700)

# %% [markdown]
# Dice after each of the five steps: recycling gains along the way, or keeps what it has.

# %%
summary = json.loads((work / "RESULTS" / "metrics.json").read_text())
print([round(dice, 4) for dice in summary["mean_foreground_dice_per_step"]])

# %% [markdown]
# ## Export
#
# The SavedModel holds preprocessing and sampling. It gives the label map of the run, voxel
# by voxel.

# %%
run("python -m experiments.export --model_dir=RUN --export_dir=EXPORT")
by_export = tf_diffseg.load_segmenter(work / "EXPORT" / "1")(nibabel.load(scan))
by_run = tf_diffseg.load_segmenter(work / "RUN")(nibabel.load(scan))
print("same label map:", np.array_equal(by_export.dataobj, by_run.dataobj))
