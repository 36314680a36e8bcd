"""What a questionnaire tells of a model: the findings `control.questionnaire.MODEL...`, every number with its interval.

MODEL is the model's name and adapter; a condition other than "prompted" follows after a colon, an instrument other than
IPIP-NEO-120 after an @. Requested are the z-scores of the vectors asked for, measured those of the questionnaire.

- `TRAIT.slope`, `intercept`: measured on all five requests at once; 1 and 0 are perfect. `TRAIT.bleed.OTHER`: how far
  the trait requested moves another. `bleed.size`: the mean size of the latter over that of the former, noise and all.
- `TRAIT.spearman`, `mae`: rank correlation, and mean distance in percentiles.
- `TRAIT.alpha`, `omega`, `keying`, `structure`: do the trait's items hang together, negations included.
- `KIND.TRAIT.convergent`, `discriminant`: does another way of asking (option_order, item_order, wording, sample,
  instrument) give the same; `KIND.change`, `KIND.size`: what it does to agreement; `sample.TRAIT.retest`: ICC(2,1).
- `acquiescence`, `refused`, `missing`. `TRAIT.voice`: the percentile that a model has when nobody asks for a vector;
  `TRAIT.at.NAME`: that of a respondent where they are few.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.judges.agreement import icc
from cityfolk.evaluation.psychometrics.reliability import NOTHING, alpha, omega, structure, structure_by_chance
from cityfolk.evaluation.psychometrics.scoring import (
    facets,
    keyed,
    percentiles,
    score,
    trait_positions,
)
from cityfolk.evaluation.psychometrics.sheets import PROMPTED, UNTARGETED, Sheet, sheets
from cityfolk.evaluation.psychometrics.validity import (
    acquiescence,
    bleed,
    gain,
    keying,
    multitrait,
    shift,
    spearman,
)
from cityfolk.evaluation.statistics import Estimate, mean_interval
from cityfolk.evaluation.telling import Teller
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.personality.reference import percentile_from_pomp, z_from_percentile
from cityfolk.types import Finding, Verdict
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
PREFIX = "control.questionnaire."
FEWEST = 12
"""Fewer respondents than this tell no effect of a request."""
KINDS = {
    "option_order": "the options' order",
    "item_order": "the items' order",
    "wording": "the wording",
    "sample": "another sample",
}
LEAST_RANK, LEAST_ALPHA, MOST_SHIFT, MOST_BLEED, MOST_REFUSED = 0.80, 0.70, 0.10, 0.10, 0.05
_ANCHOR = "mean rank correlations of .80 and more in 11 of 12 models: Serapio-Garcia et al. 2025, Nature MI"


@dataclass(slots=True)
class _Maker:
    """Findings of one sheet as they are made."""

    sheet: Sheet
    seed: int
    found: list[Finding] = field(default_factory=list)

    @property
    def about(self) -> str:
        return label(self.sheet)

    def stream(self, *path: str) -> Generator:
        return rng.child(self.seed, "evaluation", "psychometrics", self.about, *path)

    def add(
        self,
        name: str,
        title: str,
        estimate: Estimate | float,
        unit: str,
        note: str = "",
        *,
        n: int | None = None,
        expected: float | None = None,
        verdict: Verdict = "none",
    ) -> None:
        """Keep one number; one that cannot be told is null and not judged."""
        tell = Teller(f"{PREFIX}{self.about}", "answers")
        said = "; ".join(word for word in (self.sheet.instrument, note) if word)
        count = len(self.sheet.respondents) if n is None else n
        self.found.append(tell(name, title, estimate, count, unit, said, expected=expected, verdict=verdict))


def label(sheet: Sheet) -> str:
    """Return what a sheet is called within an id: model, adapter, condition and instrument, no dots in it."""
    adapter = f"+{sheet.adapter}" if sheet.adapter and sheet.adapter not in sheet.model else ""
    condition = "" if sheet.condition in (PROMPTED, sheet.adapter) else f":{sheet.condition}"
    instrument = "" if sheet.instrument == INSTRUMENT else f"@{sheet.instrument}"
    return _slug(f"{sheet.model}{adapter}{condition}{instrument}")


def _slug(name: str) -> str:
    return re.sub(r"[^\w@+:/-]+", "-", name)


def least(estimate: Estimate, bound: float) -> Verdict:
    """Return "outside" where a value lies surely below what is asked for."""
    high = estimate.high if np.isfinite(estimate.high) else estimate.value
    return "outside" if high < bound else "inside"


def near(estimate: Estimate, centre: float, within: float) -> Verdict:
    """Return "outside" where a value surely lies farther from a centre than `within`."""
    low = estimate.low if np.isfinite(estimate.low) else estimate.value
    high = estimate.high if np.isfinite(estimate.high) else estimate.value
    return "outside" if low > centre + within or high < centre - within else "inside"


def questionnaire_findings(responses: pl.DataFrame, *, seed: int = 0) -> list[Finding]:
    """Return the findings of responses.parquet (`sheets.RESPONSES`); `seed` draws the resamples."""
    # Many small matrices: threads that wait for one another cost more than they bring.
    with threadpool_limits(limits=1, user_api="blas"):
        return _findings(sheets(responses), seed)


def _findings(every: Sequence[Sheet], seed: int) -> list[Finding]:
    found: list[Finding] = []
    for sheet in every:
        maker = _Maker(sheet, seed)
        _counts(maker)
        if len(sheet.respondents) >= FEWEST:
            _items(maker)
            _ways(maker)
        if np.isfinite(sheet.target).all(axis=1).sum() >= FEWEST:
            _requests(maker)
        _profiles(maker)
        found += maker.found
    for first, second in _twins(every):
        maker = _Maker(first, seed)
        _instruments(maker, second)
        found += maker.found
    twice = [name for name, times in Counter(finding.id for finding in found).items() if times > 1]
    if twice:
        raise DataError(f"two models are called alike in {min(twice)}", hint="give them one at a time")
    return found


# -------------------------------------------------------------------------------------------------- request and answer


def _has_norms(sheet: Sheet) -> bool:
    return sheet.instrument.startswith("IPIP-NEO")


def measured(sheet: Sheet) -> Floats:
    """Return what a sheet's answers measure, (n, 5): z in the reference, or of POMP where there are no norms.

    Without norms a unit is the standard deviation among these respondents.
    """
    if _has_norms(sheet):
        shares = percentiles(sheet.answers, sheet.instrument)
        return np.where(np.isfinite(shares), z_from_percentile(np.where(np.isfinite(shares), shares, 0.5)), np.nan)
    raw = score(sheet.answers, sheet.instrument).trait
    made = np.full_like(raw, np.nan)
    for column, values in enumerate(raw.T):
        known = np.isfinite(values)
        if known.sum() > 1 and np.ptp(values[known]) > 0:
            made[:, column] = (values - values[known].mean()) / values[known].std(ddof=1)
    return made


def _requests(maker: _Maker) -> None:
    """Add what a request does: slopes, bleed, ranks and distances."""
    sheet = maker.sheet
    asked, got = sheet.target, measured(sheet)
    known = np.isfinite(asked).all(axis=1)
    requested = np.full_like(asked, np.nan)
    requested[known] = z_from_percentile(asked[known])
    unit = "z per z" if _has_norms(sheet) else "SD among these per z"
    expected = 1.0 if _has_norms(sheet) else None
    _ranks(maker, requested, got)
    try:
        effects = gain(requested, got)
    except DataError:
        return
    for i, trait in enumerate(TRAITS):
        own = effects.matrix[i][i]
        judged: Verdict = near(own, 1.0, 0.2) if expected else "none"
        note = "of a linear model of all five requests; within .2 of 1" if expected else "of all five requests"
        title = f"Rise of measured {trait} with one standard deviation requested"
        maker.add(f"{trait}.slope", title, own, unit, note, n=effects.n, expected=expected, verdict=judged)
        for j, other in enumerate(TRAITS):
            if i != j:
                title = f"Rise of {other} with one standard deviation of {trait} requested"
                cell = effects.matrix[i][j]
                judged = near(cell, 0.0, MOST_BLEED)
                maker.add(f"{trait}.bleed.{other}", title, cell, unit, n=effects.n, expected=0.0, verdict=judged)
        if expected:
            title = f"Measured {trait} where average was requested in all"
            maker.add(f"{trait}.intercept", title, effects.intercept[i], "z", n=effects.n, expected=0.0)
    title = "Size of effects on traits not requested over effects on the trait requested"
    maker.add("bleed.size", title, bleed(effects), "ratio", "mean of 20 over mean of 5", n=effects.n, expected=0.0)


def _ranks(maker: _Maker, requested: Floats, got: Floats) -> None:
    sheet = maker.sheet
    shares = percentiles(sheet.answers, sheet.instrument) if _has_norms(sheet) else None
    signs = keying(sheet.answers, requested, sheet.instrument)
    for i, trait in enumerate(TRAITS):
        rank = spearman(requested[:, i], got[:, i])
        title = f"Requested and measured {trait}, rank correlation"
        judged = least(rank, LEAST_RANK)
        maker.add(f"{trait}.spearman", title, rank, "rho", _ANCHOR, expected=LEAST_RANK, verdict=judged)
        if shares is not None:
            gaps = np.abs(shares[:, i] - sheet.target[:, i])
            gaps = gaps[np.isfinite(gaps)]
            away = mean_interval(gaps) if len(gaps) > 1 else NOTHING
            maker.add(f"{trait}.mae", f"Distance of measured from requested {trait}", away, "percentile", n=len(gaps))
        title = f"How far negated items of {trait} follow the request as the others do"
        note = "1 heeds negations, -1 answers as if they were not there"
        judged = least(signs[i], 0.5)
        maker.add(f"{trait}.keying", title, signs[i], "ratio of slopes", note, expected=1.0, verdict=judged)


# ------------------------------------------------------------------------------------------------- items, ways, counts


def _items(maker: _Maker) -> None:
    """Add how items hang together, and the leaning to agree."""
    sheet = maker.sheet
    turned = keyed(sheet.answers, sheet.instrument)
    for trait, places in zip(TRAITS, trait_positions(sheet.instrument), strict=True):
        inner = alpha(turned[:, places])
        judged = least(inner, LEAST_ALPHA)
        title = f"Cronbach's alpha of {trait}"
        note = f"{len(places)} items; expected is the least that is asked for; interval by Feldt"
        maker.add(f"{trait}.alpha", title, inner, "alpha", note, expected=LEAST_ALPHA, verdict=judged)
        whole = omega(turned[:, places], maker.stream("omega", trait))
        maker.add(f"{trait}.omega", f"McDonald's omega of {trait}", whole, "omega", "one factor; total")
    leaning = acquiescence(sheet.answers, sheet.instrument)
    title = "Leaning to agree, whatever is said"
    note = "points of 1 to 5 above the middle, both keys weighing alike; within .1"
    judged = near(leaning, 0.0, MOST_SHIFT)
    maker.add("acquiescence", title, leaning, "points", note, expected=0.0, verdict=judged)
    names = facets(sheet.instrument)
    if names:
        parts = score(sheet.answers, sheet.instrument).facet
        target = np.array([[float(trait == one) for one in TRAITS] for trait, _ in names])
        likeness = structure(parts, target)
        chance = structure_by_chance(parts, target, maker.stream("structure")) if np.isfinite(likeness).all() else 0.0
        for trait, value in zip(TRAITS, likeness, strict=True):
            title = f"Congruence of the facets' structure with the key, {trait}"
            note = f"Tucker's phi; five components turned to the key; shuffled answers reach {chance:.2f} on average"
            maker.add(f"{trait}.structure", title, float(value), "phi", note)


def _ways(maker: _Maker) -> None:
    """Add what another way of asking does."""
    sheet = maker.sheet
    for kind, words in KINDS.items():
        parts = sheet.split(kind)
        if len(parts) < 2:
            continue
        tables = list(parts.values())
        scores = np.stack([score(table, sheet.instrument).trait for table in tables])
        _convergence(maker, kind, words, scores)
        if kind == "sample":
            _retest(maker, scores)
        pairs = list(combinations(range(len(tables)), 2))
        shifts = [shift(tables[a], tables[b]) for a, b in pairs]
        widest = max(range(len(pairs)), key=lambda one: abs(np.nan_to_num(shifts[one].change.value)))
        a, b = pairs[widest]
        names = list(parts)
        note = f"{names[b]} less {names[a]}" + (", the widest of all pairs" if len(pairs) > 1 else "") + "; within .1"
        judged = near(shifts[widest].change, 0.0, MOST_SHIFT)
        title = f"Change of agreement with {words}"
        maker.add(f"{kind}.change", title, shifts[widest].change, "points", note, expected=0.0, verdict=judged)
        maker.add(f"{kind}.size", f"Size of the change of an answer with {words}", shifts[widest].size, "points", note)


def _convergence(maker: _Maker, kind: str, words: str, scores: Floats) -> None:
    found = multitrait(scores, maker.stream(kind))
    note = f"{len(scores)} ways, {words} apart"
    for trait, same, more in zip(TRAITS, found.convergent, found.discriminant, strict=True):
        title = f"{trait.capitalize()} one way and another, correlation ({words})"
        maker.add(f"{kind}.{trait}.convergent", title, same, "r", note, n=found.n)
        title = f"By how much {trait} agrees more with itself than with other traits ({words})"
        judged: Verdict = "outside" if more.low <= 0 else "inside"
        maker.add(f"{kind}.{trait}.discriminant", title, more, "r", note, n=found.n, expected=0.0, verdict=judged)


def _retest(maker: _Maker, scores: Floats) -> None:
    """Add whether another sample gives the very same score: ICC(2,1) of (samples, n, 5)."""
    for i, trait in enumerate(TRAITS):
        table = scores[:, :, i].T
        table = table[np.isfinite(table).all(axis=1)]
        same = icc(table).agreement if len(table) > 1 else NOTHING
        title = f"{trait.capitalize()} in one sample and another, absolute agreement"
        maker.add(f"sample.{trait}.retest", title, same, "ICC(2,1)", f"{len(scores)} samples", n=len(table))


def _counts(maker: _Maker) -> None:
    sheet = maker.sheet
    asked = sheet.value.size
    for name, count, title in (
        ("refused", sheet.refused, "Answers refused"),
        ("missing", sheet.missing, "Answers that are missing: unreadable, or never given"),
    ):
        low, high = wilson(count, asked)
        estimate = Estimate(count / asked, low, high)
        note = f"{count:,} of {asked:,}; a model read by probabilities cannot be seen to refuse"
        judged: Verdict = "outside" if low > MOST_REFUSED else "inside"
        maker.add(name, title, estimate, "share", note, n=asked, expected=0.0, verdict=judged)


def _profiles(maker: _Maker) -> None:
    """Add where a few respondents stand, or the model that is asked for nobody; intervals are over items."""
    sheet = maker.sheet
    if not _has_norms(sheet) or len(sheet.respondents) >= FEWEST:
        return
    turned = keyed(sheet.answers, sheet.instrument)
    shares = percentiles(sheet.answers, sheet.instrument)
    for row, name in enumerate(sheet.respondents):
        for i, (trait, places) in enumerate(zip(TRAITS, trait_positions(sheet.instrument), strict=True)):
            answers = turned[row, places]
            found = Estimate(float(shares[row, i]), *_ends(trait, answers[np.isfinite(answers)]))
            note = "the interval is over items, as if they had been drawn"
            if sheet.condition == UNTARGETED:
                title = f"{trait.capitalize()} of the model itself"
                note = f"no vector was asked for; {note}"
                maker.add(f"{trait}.voice", title, found, "percentile", note, n=len(places))
            else:
                title = f"{trait.capitalize()} of {name}"
                asked = float(sheet.target[row, i])
                maker.add(f"{trait}.at.{_slug(name)}", title, found, "percentile", note, n=len(places), expected=asked)


def _ends(trait: str, answers: Floats) -> tuple[float, float]:
    """Return the percentiles at the ends of the interval of the mean answer."""
    if len(answers) < 2:
        return float("nan"), float("nan")
    spread = mean_interval((answers - 1) / 4)
    low, high = percentile_from_pomp(trait, np.clip([spread.low, spread.high], 0.0, 1.0))
    return float(low), float(high)


# --------------------------------------------------------------------------------------------------- two instruments


def _twins(every: Sequence[Sheet]) -> Iterator[tuple[Sheet, Sheet]]:
    """Yield pairs of sheets of one speaker under one condition on two instruments, with the respondents of both."""
    for first, second in combinations(every, 2):
        alike = all(
            getattr(first, name) == getattr(second, name) for name in ("engine", "model", "adapter", "condition")
        )
        both = _in_both(first.respondents, second.respondents)
        if alike and first.instrument != second.instrument and len(both) >= FEWEST:
            one, other = sorted((first, second), key=lambda sheet: sheet.instrument != INSTRUMENT)
            yield one.only(both), other.only(both)


def _in_both(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    there = set(second)
    return tuple(name for name in first if name in there)


def _instruments(maker: _Maker, other: Sheet) -> None:
    scores = [score(sheet.answers, sheet.instrument).trait for sheet in (maker.sheet, other)]
    words = f"{other.instrument} beside {maker.sheet.instrument}"
    _convergence(maker, f"instrument:{other.instrument}", words, np.stack(scores))
