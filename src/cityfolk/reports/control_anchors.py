"""What others have published of control in the same metric, with where it stands; nothing else is compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One published figure: `measure` is the finding that is the same metric ("" before the trait's name ends in ".").

    `low` and `high` are equal where one number was published.
    """

    measure: str
    what: str
    who: str
    low: float
    high: float
    how: str
    source: str


SERAPIO = "Serapio-García et al. (2025), Nature Machine Intelligence"
PERSONALLM = "Jiang et al. (2024), PersonaLLM, Findings of NAACL"
ORIGINAL = "CityScope/personality-driven-synthetic-populations (MIT City Science)"

ANCHORS = (
    Anchor(
        measure="spearman",
        what="rank correlation of requested and expressed, lowest and highest trait",
        who="GPT-4o, prompted",
        low=0.74,
        high=0.89,
        how="free text",
        source=SERAPIO,
    ),
    Anchor(
        measure="bleed.size",
        what="size of effects on other traits over the effect on its own",
        who="GPT-4, prompted",
        low=0.05,
        high=0.05,
        how="questionnaire, traits asked for high or low",
        source=PERSONALLM,
    ),
    Anchor(
        measure="bleed.size",
        what="the same",
        who="GPT-3.5, prompted",
        low=0.14,
        high=0.14,
        how="questionnaire, traits asked for high or low",
        source=PERSONALLM,
    ),
    Anchor(
        measure="bleed.size",
        what="the same",
        who="LLaMA-2, prompted",
        low=0.25,
        high=0.25,
        how="questionnaire, traits asked for high or low",
        source=PERSONALLM,
    ),
    Anchor(
        measure="original.slope",
        what="rise of the judge's raw score with the percentile requested, lowest and highest trait",
        who="LLaMA-3-8B, DPO for four archetypes",
        low=0.05,
        high=0.36,
        how="free text, a judge of the same family, two topics",
        source=ORIGINAL,
    ),
    Anchor(
        measure="original.above",
        what="gain in exp(-5 d²) over the untuned model, lowest and highest archetype",
        who="LLaMA-3-8B, DPO for four archetypes",
        low=0.033,
        high=0.094,
        how="free text, a judge of the same family, two topics",
        source=ORIGINAL,
    ),
)
