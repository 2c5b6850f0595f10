r"""Male pelvic MR, https://zenodo.org/records/7013610, as in arXiv 2303.06040.

    python -m experiments.reproduce --dataset=male_pelvic_mr --source_dir=DOWNLOAD \
        --output_dir=OUT

The network of slices is `--config=male_pelvic_mr:dimensions=2`, that without diffusion
`--config=male_pelvic_mr:diffusion=False`.

Cost: not measured by us. Published Dice: docs/recipes.md.
"""

from tf_diffseg.runs.recipes.published_training import first_paper


def get_config(dimensions=3, diffusion=True):
    """Patches of the shape that published volumes had, 192x192x120 mm."""
    return first_paper((256, 256, 48), 413, dimensions, diffusion, shift_mm=12.0)
