# %% [markdown]
# # Segment a hippocampus in a minute, then fine-tune
#
# The model that comes with tf_diffseg finds the anterior and the posterior hippocampus in
# an MR scan that is cropped around one of them. First it segments a scan; it was trained on
# this one, so its Dice is no test. Then it meets scans of another contrast, fails, and learns
# them from a single one. All of it takes a few minutes on two CPU cores.

# %%
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
# The scan is a case of Task04 Hippocampus of the Medical Segmentation Decathlon
# (Antonelli et al. 2022; images and labels by Vanderbilt University Medical Center, CC
# BY-SA 4.0).

# %%
scans = pathlib.Path("../scans/hippocampus").resolve()
image = nibabel.load(scans / "images" / "hippocampus_035.nii.gz")
segmenter = tf_diffseg.load_segmenter("hippocampus")
started = time.monotonic()
label = segmenter(image)
print(f"{image.shape} voxels in {time.monotonic() - started:.0f} s, the first time")
print(dict(zip(segmenter.label_values, segmenter.class_names, strict=True)))

# %% [markdown]
# How close is it to the label map of an expert? Dashed lines are the expert's.

# %%
predicted = np.asarray(label.dataobj)
truth = np.asarray(
    nibabel.load(scans / "labels" / "hippocampus_035.nii.gz").dataobj
).astype(int)
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
    f"--input={scans / 'images' / 'hippocampus_035.nii.gz'} --output=label.nii.gz"
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
# Suppose that your scanner shows dark what the training data showed bright. Here are such
# scans, made from two cases by inverting their intensities.

# %%
(work / "images").mkdir()
rows = ["uid,image,label,split"]
for uid, split in {"hippocampus_035": "train", "hippocampus_057": "test"}.items():
    scan = nibabel.load(scans / "images" / f"{uid}.nii.gz")
    voxels = scan.get_fdata(dtype=np.float32)
    inverted = nibabel.Nifti1Image(voxels.max() - voxels, scan.affine)
    nibabel.save(inverted, work / "images" / f"{uid}.nii.gz")
    label_path = scans / "labels" / f"{uid}.nii.gz"
    rows.append(f"{uid},images/{uid}.nii.gz,{label_path},{split}")
(work / "cases.csv").write_text("\n".join(rows))


def test_dice(segmenter):
    """Mean Dice of both classes on the inverted test case."""
    found = segmenter(nibabel.load(work / "images" / "hippocampus_057.nii.gz"))
    truth = nibabel.load(scans / "labels" / "hippocampus_057.nii.gz")
    arrays = [np.asarray(each.dataobj).astype(int) for each in (truth, found)]
    return dice_score(*arrays, num_classes=3).dice[1:].mean()


dice = {"as it is": test_dice(segmenter)}
print(f"the model as it is: Dice {dice['as it is']:.3f}")

# %% [markdown]
# It does not know them. Two cases are a small data set, of which one is for training.

# %%
run(
    "python -m data_tools.convert_nifti --dataset_csv=cases.csv --output_dir=SHARDS "
    "--labels=0=background,1=Anterior,2=Posterior --volume_shape=40,56,40"
)

# %% [markdown]
# Sixty steps on that one case, twice: from random weights, and from those of the model.

# %%
flags = (
    "--config=msd_hippocampus --data_dir=SHARDS --batch_size=1 --patches_per_volume=20 "
    "--epochs=3 --warmup_steps=5 --learning_rate=1e-3 --affine_probability=0.5"
)
run(f"python -m experiments.train {flags} --model_dir=FROM_NOTHING")
run(f"python -m experiments.train {flags} --model_dir=RUN --init_from=hippocampus")

# %%
dice["from nothing"] = test_dice(tf_diffseg.load_segmenter(work / "FROM_NOTHING"))
dice["fine-tuned"] = test_dice(tf_diffseg.load_segmenter(work / "RUN"))
figure, axis = plt.subplots(figsize=(6, 2.2))
bars = axis.barh(list(dice), list(dice.values()))
axis.bar_label(bars, fmt="%.3f", padding=3)
axis.set(xlim=(0, 1), xlabel="Dice of the inverted test case")
plt.show()

# %% [markdown]
# One labelled scan and a minute of training bring back most of it. The trained weights are
# ahead, because they know this hippocampus from its other contrast, and because the run that begins from them has their network, which is wider than
# that of the config. A start from nothing gets far, because in these small scans the
# structure always lies in the middle.

# %% [markdown]
# ## Score and export
#
# `RESULTS/report.html` shows every case in a browser, and `EXPORT/1` is a SavedModel that
# `experiments.segment`, three lines of Python and TF Serving take.

# %%
run(
    "python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN "
    "--output_dir=RESULTS"
)
run("python -m experiments.export --model_dir=RUN --export_dir=EXPORT")
print(sorted(path.name for path in (work / "EXPORT" / "1").iterdir()))

# %%
Image(work / "RESULTS" / "median.png", width=700)
