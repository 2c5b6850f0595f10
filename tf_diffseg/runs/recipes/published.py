"""What was published on data sets, and what it takes to do it again."""

import dataclasses

from tf_diffseg.errors import InputError
from tf_diffseg.text_table import text_table


@dataclasses.dataclass(frozen=True)
class Figures:
    """Means over test cases and foreground classes.

    Attributes:
        dice: Dice.
        hd95_mm: 95th percentile Hausdorff distance, or None.
    """

    dice: float
    hd95_mm: float | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a published experiment is done again.

    Attributes:
        config: name of the config in `experiments/configs`, which takes `dimensions`
            and `diffusion`.
        preprocessing: flags of the conversion.
        published: dict from (dimensions, whether with diffusion) to `Figures`.
        source: where they are from.
        dimensions: those that the data have: 3 and 2, or 2 alone.
    """

    config: str
    preprocessing: tuple[str, ...]
    published: dict[tuple[int, bool], Figures]
    source: str
    dimensions: tuple[int, ...] = (3, 2)


_FIRST, _SECOND = "arXiv 2303.06040", "arXiv 2308.16355"

RECIPES = {
    "male_pelvic_mr": Recipe(
        "male_pelvic_mr",
        ("--spacing_mm=0.75,0.75,2.5", "--intensity=percentile"),
        {
            (3, False): Figures(0.838, 5.197),
            (3, True): Figures(0.830, 5.424),
            (2, False): Figures(0.831, 6.044),
            (2, True): Figures(0.818, 6.658),
        },
        _FIRST,
    ),
    "amos_ct": Recipe(
        "amos_ct",
        ("--spacing_mm=1.5,1.5,5", "--intensity=ct_window", "--ct_window=-991,362"),
        {
            (3, False): Figures(0.816, 9.091),
            (3, True): Figures(0.801, 9.125),
            (2, False): Figures(0.804, 9.885),
            (2, True): Figures(0.769, 12.039),
        },
        _FIRST,
    ),
    "brats2021": Recipe(
        "brats2021", ("--crop_to_foreground", "--intensity=percentile"), {}, _SECOND
    ),
    "muscle_us": Recipe(
        "muscle_us",
        ("--intensity=ct_window", "--ct_window=0,255"),
        {},
        _SECOND,
        dimensions=(2,),
    ),
    "hippocampus": Recipe(
        "msd_hippocampus",
        ("--volume_shape=40,56,40",),
        # The mean of 0.899 (anterior) and 0.882 (posterior), 1000 epochs, five folds.
        {(3, False): Figures(0.8905)},
        "nnU-Net, 5 folds",
    ),
}


def check_dimensions(name, dimensions, patch_shape=None):
    """Raises InputError unless data and patches have the dimensions of a network.

    Args:
        name: one of `RECIPES`.
        dimensions: 3, or 2 for slice by slice.
        patch_shape: of the training; None for that of the recipe.
    """
    if dimensions not in RECIPES[name].dimensions:
        raise InputError(
            f"dimensions={dimensions}: {name} are pictures of 2 dimensions",
            argument="dimensions",
        )
    if patch_shape and dimensions == 2 and patch_shape[-1] != 1:
        raise InputError(
            f"patch_shape={','.join(map(str, patch_shape))}: slice by slice, a patch "
            "has one slice along z, expected 1 as the last number",
            argument="patch_shape",
        )


def comparison(recipe, summaries):
    """A table of our figures beside the published ones.

    Args:
        recipe: `Recipe`.
        summaries: dict from (dimensions, whether with diffusion) to the summary of an
            evaluation, as in its metrics.json.

    Returns:
        Text for a terminal. A dash is a figure that is not known.
    """
    rows = [["network", "Dice", "published", "HD95 mm", "published", "cases"]]
    for variant in sorted({*recipe.published, *summaries}, reverse=True):
        published, summary = recipe.published.get(variant), summaries.get(variant)
        rows.append(
            [
                variant_name(*variant).replace("_", " "),
                _shown(summary and summary["mean_foreground_dice"]),
                _shown(published and published.dice),
                _shown(summary and _mean_hd95_mm(summary)),
                _shown(published and published.hd95_mm),
                str(summary["num_cases"]) if summary else "-",
            ]
        )
    return f"{text_table(rows)}\npublished: {recipe.source}"


def variant_name(dimensions, diffusion):
    """Name of a network, which is also that of its folder."""
    return f"{dimensions}d_{'diffusion' if diffusion else 'supervised'}"


def _mean_hd95_mm(summary):
    found = [each["hd95_mm"] for each in summary["classes"].values()]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def _shown(figure):
    return "-" if figure is None else f"{figure:.3f}"
