r"""Ultrasound of muscles, Marzola et al. 2021, 2D, as in arXiv 2308.16355.

    python -m experiments.reproduce --dataset=muscle_us --source_dir=DOWNLOAD \
        --output_dir=OUT

The network without diffusion is `--config=muscle_us:diffusion=False`.

Cost: not measured by us. What was published: docs/recipes.md.
"""

from tf_diffseg.errors import InputError
from tf_diffseg.runs.recipes.published_training import second_paper


def get_config(dimensions=2, diffusion=True):
    """Whole pictures of 512x480 pixels, 64 in a batch, 8 of them at a time."""
    if dimensions != 2:
        raise InputError(f"dimensions={dimensions}: these pictures have 2")
    return second_paper(
        (512, 480, 1),
        2531,
        dimensions,
        diffusion,
        8000,
        batch_size=64,
        accumulation_steps=8,
        shift_mm=10.0,
    )
