# %% [markdown]
# # Segment a hippocampus in a minute, then fine-tune
#
# The model that comes with tf_diffseg finds the anterior and the posterior hippocampus in
# an MR scan that is cropped around one of them. First it segments a scan that it has not
# seen, then its weights begin the training on other data. All of it takes a few minutes on
# two CPU cores.

# %%
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import matplotlib.pyplot as plt
import nibabel
import numpy as np
from IPython.display import Image

import tf_diffseg
from tf_diffseg.metrics import dice_score
from tf_diffseg.reports import save_overlay

work = pathlib.Path(tempfile.mkdtemp())


def run(command):
    """Runs `python ...` as a terminal does, in `work`, and prints what it says."""
    words = [sys.executable, *shlex.split(command)[1:]]
    done = subprocess.run(words, cwd=work, capture_output=True, text=True)
    print(done.stdout + (done.stderr if done.returncode else ""))
    done.check_returncode()


# %% [markdown]
# ## Segment
#
# The scan is a test case of Task04 Hippocampus of the Medical Segmentation Decathlon
# (Antonelli et al. 2022; images and labels by Vanderbilt University Medical Center, CC
# BY-SA 4.0).

# %%
scans = pathlib.Path("../scans/hippocampus").resolve()
image = nibabel.load(scans / "image.nii.gz")
segmenter = tf_diffseg.load_segmenter("hippocampus")
started = time.monotonic()
label = segmenter(image)
print(f"{image.shape} voxels in {time.monotonic() - started:.0f} s, the first time")
print(dict(zip(segmenter.label_values, segmenter.class_names, strict=True)))

# %% [markdown]
# How close is it to the label map of an expert? Dashed lines are the expert's.

# %%
predicted = np.asarray(label.dataobj)
truth = np.asarray(nibabel.load(scans / "label.nii.gz").dataobj).astype(int)
_, anterior, posterior = dice_score(truth, predicted, num_classes=3).dice
title = f"Dice {anterior:.3f} anterior, {posterior:.3f} posterior"
save_overlay(
    work / "segmented.png",
    np.asarray(image.dataobj),
    truth,
    predicted,
    class_names=segmenter.class_names,
    title=title,
    dpi=70,
)
Image(work / "segmented.png")

# %% [markdown]
# The command does the same, and writes maps of uncertainty if it draws several samples.

# %%
run(
    "python -m experiments.segment --model=hippocampus --num_samples=4 "
    f"--input={scans / 'image.nii.gz'} --output=label.nii.gz"
)
entropy = np.asarray(nibabel.load(work / "label_entropy.nii.gz").dataobj)
wrong = truth != predicted
print(f"mean entropy {entropy[wrong].mean():.2f} nats where the label map is wrong,")
print(f"             {entropy[~wrong].mean():.3f} elsewhere")

# %%
cut = int(np.median(np.nonzero(truth)[2]))
pictures = {
    "scan": np.asarray(image.dataobj),
    "entropy": entropy,
    "wrong voxels": wrong,
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.6))
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture[:, :, cut].T, cmap="gray", origin="lower")
    axis.set_title(name)
    axis.set_axis_off()
plt.show()

# %% [markdown]
# ## Fine-tune
#
# Now other data: phantoms with an organ, a vessel and a nodule, four classes in place of
# three. They stand for your own data, which would come as files of the same kind.

# %%
run("python -m data_tools.make_phantom --output_dir=DATA --num_cases=16 --seed=0")
run(
    "python -m data_tools.convert_nifti --dataset_json=DATA/dataset.json "
    "--output_dir=SHARDS --spacing_mm=3,3,3 --volume_shape=24,24,24 "
    "--split=train=0.6,validation=0.2,test=0.2"
)

# %% [markdown]
# The same short training twice: from random weights, and from those of the hippocampus
# model. Every layer whose shape fits is taken over; the table names the others.

# %%
flags = (
    "--config=msd_hippocampus --data_dir=SHARDS --patch_shape=24,24,24 --epochs=4 "
    "--warmup_steps=5 --validation_frequency=1"
)
run(f"python -m experiments.train {flags} --model_dir=FROM_NOTHING")
run(f"python -m experiments.train {flags} --model_dir=RUN --init_from=hippocampus")

# %%
figure, axis = plt.subplots(figsize=(6, 3.2))
for name in ("FROM_NOTHING", "RUN"):
    lines = (work / name / "metrics.jsonl").read_text().splitlines()
    dice = [json.loads(line)["val_dice"] for line in lines]
    axis.plot(range(1, len(dice) + 1), dice, marker="o", label=name)
axis.set(xlabel="epoch", ylabel="Dice of the validation cases", ylim=(0, 1))
axis.legend()
plt.show()

# %% [markdown]
# ## Score and export
#
# `RESULTS/report.html` shows every case in a browser, and `EXPORT/1` is a SavedModel that
# `experiments.segment`, three lines of Python and TF Serving take.

# %%
run(
    "python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN --output_dir=RESULTS"
)
run("python -m experiments.export --model_dir=RUN --export_dir=EXPORT")
print(sorted(path.name for path in (work / "EXPORT" / "1").iterdir()))

# %%
Image(work / "RESULTS" / "median.png", width=700)
