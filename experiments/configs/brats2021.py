r"""BraTS 2021, four channels and three overlapping regions, as in arXiv 2308.16355.

    python -m experiments.reproduce --dataset=brats2021 --source_dir=DOWNLOAD \
        --output_dir=OUT

The network of slices is `--config=brats2021:dimensions=2`, that without diffusion
`--config=brats2021:diffusion=False`.

Cost: not measured by us. What was published: docs/recipes.md.
"""

from tf_diffseg.runs.recipes.published_training import second_paper


def get_config(dimensions=3, diffusion=True):
    """Patches of 128 cubed; slices of a whole brain."""
    patch_shape = (192, 224, 128) if dimensions == 2 else (128, 128, 128)
    return second_paper(patch_shape, 938, dimensions, diffusion, 12_500, shift_mm=10.0)
