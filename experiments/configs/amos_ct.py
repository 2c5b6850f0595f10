r"""AMOS CT, https://zenodo.org/records/7155725, as in arXiv 2303.06040.

    python -m experiments.reproduce --dataset=amos_ct --source_dir=DOWNLOAD \
        --output_dir=OUT

The network of slices is `--config=amos_ct:dimensions=2`, that without diffusion
`--config=amos_ct:diffusion=False`.

Cost: not measured by us. Published Dice: docs/recipes.md.
"""

from tf_diffseg.runs.recipes.published_training import first_paper


def get_config(dimensions=3, diffusion=True):
    """Patches of the shape that published volumes had, 288x192x640 mm."""
    return first_paper((192, 128, 128), 200, dimensions, diffusion, shift_mm=15.0)
