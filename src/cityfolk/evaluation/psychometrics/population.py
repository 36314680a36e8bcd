"""A questionnaire given to the people of a city: do their answers have the means, spreads and effects of the norms.

What was measured takes the place of what was drawn, and is compared with the norms by the very check that the drawn
personalities go through (`evaluation.personality_check`); beside it, each person's measured score with their own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError
from cityfolk.evaluation.personality_check import personality_findings
from cityfolk.evaluation.psychometrics.findings import PREFIX, label, near
from cityfolk.evaluation.psychometrics.reliability import congruence
from cityfolk.evaluation.psychometrics.scoring import percentiles
from cityfolk.evaluation.psychometrics.sheets import Sheet, sheets
from cityfolk.evaluation.psychometrics.validity import distance
from cityfolk.evaluation.statistics import correlation, mean_interval
from cityfolk.personality.norms import INSTRUMENT, residual_correlations
from cityfolk.personality.reference import pomp_from_percentile
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

PERSON = "person-"
FEWEST = 50
"""Fewer people than this are no population."""
_DRAWN = "people.personality."


def population_findings(responses: pl.DataFrame, people: pl.DataFrame) -> list[Finding]:
    """Return `control.questionnaire.MODEL.population...` of respondents named "person-412".

    `people` has person_id, age, sex, norms and five percentiles. A speaker that gave fewer than 50 of them whole
    questionnaires is left out, and so is an instrument without norms.
    """
    lacking = [name for name in ("person_id", "age", "sex", "norms", *TRAITS) if name not in people.columns]
    if lacking:
        raise DataError(f"people has no {', '.join(lacking)}", hint="give it people.parquet")
    found: list[Finding] = []
    for sheet in sheets(responses):
        joined = _answered(sheet, people)
        if joined is not None and joined.height >= FEWEST:
            found += _of(sheet, joined)
    return found


def _answered(sheet: Sheet, people: pl.DataFrame) -> pl.DataFrame | None:
    """Return the people who answered, with what was drawn ("drawn_TRAIT") and what was measured (TRAIT)."""
    numbers = [int(name.removeprefix(PERSON)) for name in sheet.respondents if _is_person(name)]
    if not numbers or not sheet.instrument.startswith("IPIP-NEO"):
        return None
    rows = [place for place, name in enumerate(sheet.respondents) if _is_person(name)]
    measured = pl.DataFrame(percentiles(sheet.answers[rows], sheet.instrument), schema=list(TRAITS)).with_columns(
        person_id=pl.Series(numbers, dtype=pl.Int64)
    )
    whole = measured.filter(pl.all_horizontal(pl.col(trait).is_finite() for trait in TRAITS))
    drawn = people.select(
        pl.col("person_id").cast(pl.Int64), "age", "sex", "norms", *(pl.col(t).alias(f"drawn_{t}") for t in TRAITS)
    )
    return drawn.join(whole, on="person_id", how="inner", maintain_order="left")


def _is_person(name: str) -> bool:
    return name.startswith(PERSON) and name.removeprefix(PERSON).isdigit()


def _of(sheet: Sheet, joined: pl.DataFrame) -> list[Finding]:
    about = f"{PREFIX}{label(sheet)}.population."
    found = [
        replace(finding, id=about + finding.id.removeprefix(_DRAWN), title=f"{finding.title} (answered)")
        for finding in personality_findings(joined)
    ]
    covered = joined.filter(pl.col("norms") == INSTRUMENT)
    answered, drawn = (
        np.column_stack(
            [pomp_from_percentile(t, np.clip(covered[f"{way}{t}"].cast(pl.Float64).to_numpy(), 0, 1)) for t in TRAITS]
        )
        for way in ("", "drawn_")
    )
    for i, trait in enumerate(TRAITS):
        own = correlation(answered[:, i], drawn[:, i])
        moved = mean_interval(answered[:, i] - drawn[:, i])
        known = bool(np.isfinite(own.value))
        found.append(
            Finding(
                id=f"{about}own.{trait}",
                title=f"What people answered and who they are, {trait}",
                value=own.value if known else None,
                low=own.low if known else None,
                high=own.high if known else None,
                n=len(answered),
                unit="r",
                note=f"{sheet.instrument}; correlation of measured and drawn scores",
            )
        )
        found.append(
            Finding(
                id=f"{about}moved.{trait}",
                title=f"Answered less drawn {trait}, mean",
                value=moved.value,
                low=moved.low,
                high=moved.high,
                n=len(answered),
                unit="POMP",
                expected=0.0,
                verdict=near(moved, 0.0, 0.02),
                note=f"{sheet.instrument}; within .02",
            )
        )
    return found + _structure(about, given_age_and_sex(answered, covered), sheet.instrument)


def given_age_and_sex(scores: NDArray[np.float64], people: pl.DataFrame) -> NDArray[np.float64]:
    """Return what is left of scores (n, 5) after sex, age, its square and their products, by least squares."""
    age = people["age"].cast(pl.Float64).to_numpy()
    age = (age - age.mean()) / max(float(age.std()), 1e-9)
    sex = (people["sex"] == "female").cast(pl.Float64).to_numpy()
    explains = np.column_stack([np.ones_like(age), sex, age, age**2, sex * age, sex * age**2])
    left: NDArray[np.float64] = scores - explains @ np.linalg.lstsq(explains, scores, rcond=None)[0]
    return left


def _structure(about: str, answered: NDArray[np.float64], instrument: str) -> list[Finding]:
    """Return how far the correlations among traits are those of people: Frobenius distance, and Tucker's congruence."""
    if (np.ptp(answered, axis=0) <= 1e-9).any():
        return []
    human, here = residual_correlations(), np.atleast_2d(np.corrcoef(answered.T))
    above = np.triu_indices(len(TRAITS), 1)
    note = f"{instrument}, given age and sex; people: IPIP-NEO-300, n = 245,850, given age, sex and country"
    return [
        Finding(
            id=f"{about}correlations.distance",
            title="Distance of the correlations among traits from those of people",
            value=distance(here, human),
            n=len(answered),
            unit="Frobenius norm",
            expected=0.0,
            note=note,
        ),
        Finding(
            id=f"{about}correlations.congruence",
            title="Congruence of the ten correlations among traits with those of people",
            value=float(congruence(here[above], human[above])),
            n=len(answered),
            unit="phi",
            expected=1.0,
            note=note,
        ),
    ]
