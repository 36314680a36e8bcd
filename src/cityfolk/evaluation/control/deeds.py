"""Word and deed: what situational choices tell of a model, and whether they agree with questionnaire and free text.

Findings are `control.situations.NAME[.TRAIT]@keys|MODEL|CONDITION`:

- `slope`, `spearman`: the score (0 to 1) on the percentile requested, all five requests at once, and their rank
  correlation. The scales differ, so that no slope is perfect; a rank correlation of 1 is. `bleed.size`: what
  requests do to other traits over what they do to their own, noise and all.
- `alpha`: do a trait's eight situations hang together. `order`: what turning the options round does to a choice.
- `voice`: the score when nothing is requested; `at.NAME`: that of one respondent where they are few. `refused`.
- `agree.METHOD.METHOD.TRAIT`: the correlation of two ways of asking over the same vectors (convergent validity);
  `true.`: the same freed of unreliability; `apart.`: that minus the mean size of the correlations with other traits.
- `cell.METHOD.TRAIT.METHOD.TRAIT`: the whole multitrait-multimethod matrix (Campbell & Fiske 1959, Psychological
  Bulletin 56). METHOD is words (questionnaire), text (free text) or deeds (situations).

The methods are compared over the vectors that all of them were asked under; intervals at 90%: Fisher's z, and for what
has no formula, drawing vectors anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.control.situations import HIGHEST, Deeds, positions
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.intervals import Z90, wilson
from cityfolk.evaluation.judges.agreement import interval, moments
from cityfolk.evaluation.psychometrics.reliability import NOTHING, RESAMPLES, alpha
from cityfolk.evaluation.psychometrics.validity import bleed, gain, spearman
from cityfolk.evaluation.statistics import Estimate, mean_interval
from cityfolk.personality.reference import z_from_percentile
from cityfolk.types import Finding, Verdict
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
WORDS, TEXT, DEEDS = "words", "text", "deeds"
METHODS = {WORDS: "the questionnaire", TEXT: "free text", DEEDS: "situations"}
FEWEST = 12
"""Fewer vectors than this tell no effect of a request, and no agreement."""
LEAST_AGREEMENT = 0.5
LEAST_RELIABLE = 0.3
"""Below this reliability a correlation isn't freed of unreliability: the result would be mostly noise."""
_FEW = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way of asking: scores (n, 5) of the respondents named, and the reliability of each trait, NaN if unknown."""

    name: str
    respondents: tuple[str, ...]
    scores: Floats
    reliability: tuple[float, ...] = (float("nan"),) * 5

    def of(self, names: Sequence[str]) -> Floats:
        """Return the scores of some of the respondents, in the order given."""
        place = {name: number for number, name in enumerate(self.respondents)}
        return np.asarray(self.scores[[place[name] for name in names]])


def alphas(value: Floats) -> tuple[Estimate, ...]:
    """Return Cronbach's alpha of each trait's situations over respondents (n, 40)."""
    return tuple(alpha(value[:, places]) for places in positions())


def situation_findings(sheet: Deeds) -> list[Finding]:
    """Return what the choices of one model under one condition tell by themselves."""
    about = f"@keys|{sheet.model}|{sheet.condition}"
    scores, n = sheet.scores(), len(sheet.respondents)
    known = np.asarray(np.isfinite(sheet.target).all(axis=1))
    found: list[Finding] = []
    if known.sum() >= FEWEST:
        found += _requested(sheet, scores, known, about)
    elif n <= _FEW:
        found += _plain(sheet, scores, about)
    if len(sheet.orders) > 1:
        turned = np.abs(sheet.orders[1] - sheet.orders[0])
        rows = np.array([row[np.isfinite(row)].mean() for row in turned if np.isfinite(row).any()])
        size = mean_interval(rows) if len(rows) > 1 else float(rows.mean()) if len(rows) else float("nan")
        words = "Change of a choice when the options are turned round, of the whole scale"
        found.append(told(f"situations.order{about}", words, size, len(rows), "share", expected=0.0))
    low, high = wilson(sheet.refused, sheet.asked) if sheet.asked else (float("nan"), float("nan"))
    share = Estimate(sheet.refused / max(sheet.asked, 1), low, high)
    found.append(told(f"situations.refused{about}", "Choices refused", share, sheet.asked, "share", expected=0.0))
    return found


def _requested(sheet: Deeds, scores: Floats, known: NDArray[np.bool_], about: str) -> Iterator[Finding]:
    target, made = sheet.target[known], scores[known]
    varied = [trait for trait in range(5) if np.ptp(target[:, trait]) > 0]
    whole = len(varied) == 5 and np.isfinite(made).all()
    effects = gain(target, made) if whole else None
    for trait, name in enumerate(TRAITS):
        capital = name.capitalize()
        if effects is not None:
            yield told(
                f"situations.slope.{name}{about}",
                f"{capital}: rise of situational choices with the percentile requested",
                effects.matrix[trait][trait],
                effects.n,
                "ratio",
                "the share of the keys' range that a request from 0 to 100 moves; two scales, so 1 is no aim",
            )
        yield told(
            f"situations.spearman.{name}{about}",
            f"{capital}: rank correlation of situational choices with requests",
            spearman(target[:, trait], made[:, trait]),
            len(made),
            "rho",
            expected=1.0,
        )
        yield told(
            f"situations.alpha.{name}{about}",
            f"{capital}: alpha of eight situations over {len(made)} vectors",
            alpha(sheet.value[known][:, positions()[trait]]),
            len(made),
            "alpha",
            "Feldt's interval",
        )
    if effects is not None:
        words = "What a request does to choices of other traits over its own"
        yield told(f"situations.bleed.size{about}", words, bleed(effects), effects.n, "ratio", expected=0.0)


def _plain(sheet: Deeds, scores: Floats, about: str) -> Iterator[Finding]:
    """Yield the scores of a few respondents, each with its interval over the eight situations."""
    for number, who in enumerate(sheet.respondents):
        asked = np.isfinite(sheet.target[number]).all()
        for trait, name in enumerate(TRAITS):
            items = sheet.value[number, positions()[trait]]
            items = items[np.isfinite(items)]
            found = mean_interval(items) if len(items) > 1 else Estimate(float(scores[number, trait]), np.nan, np.nan)
            kind = f"at.{who}" if asked else "voice"
            words = f"as {who}" if asked else "when nothing is requested"
            yield told(
                f"situations.{kind}.{name}{about}",
                f"{name.capitalize()}: mean of situational choices {words}",
                found,
                len(items),
                "share",
                f"of the way from the lowest to the highest option; interval over situations, keys 0 to {HIGHEST}",
            )


# ------------------------------------------------------------------------------------------------------ word and deed


def agreement_findings(methods: Sequence[Method], model: str, condition: str, seed: int) -> list[Finding]:
    """Return the multitrait-multimethod matrix of two or three methods, and what it says; empty where too few share."""
    about = f"@keys|{model}|{condition}"
    shared = sorted(set.intersection(*(set(one.respondents) for one in methods))) if len(methods) > 1 else []
    if len(shared) < FEWEST:
        return []
    table = np.concatenate([one.of(shared) for one in methods], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < FEWEST:
        return []
    columns = [(one.name, trait) for one in methods for trait in range(5)]
    stream = rng.child(seed, "evaluation", "control", "deeds", model, condition)
    drawn = moments(table, np.arange(len(table)), stream, RESAMPLES)
    place = {column: number for number, column in enumerate(columns)}
    found = [
        told(
            f"situations.cell.{first[0]}.{TRAITS[first[1]]}.{second[0]}.{TRAITS[second[1]]}{about}",
            f"{TRAITS[first[1]].capitalize()} in {METHODS[first[0]]} with {TRAITS[second[1]]} in {METHODS[second[0]]}",
            fisher(float(drawn.correlation(place[first], place[second])[0]), len(table)),
            len(table),
            "r",
        )
        for first, second in combinations(columns, 2)
    ]
    reliable = {one.name: one.reliability for one in methods}
    for one, other in combinations([method.name for method in methods], 2):
        for trait in range(5):
            matrix = {
                (i, j): drawn.correlation(place[one, i], place[other, j])
                for i in range(5)
                for j in range(5)
                if trait in (i, j)
            }
            found += _pair(one, other, trait, matrix, reliable, len(table), about)
    return found


def _pair(
    one: str,
    other: str,
    trait: int,
    matrix: Mapping[tuple[int, int], Floats],
    reliable: Mapping[str, tuple[float, ...]],
    n: int,
    about: str,
) -> Iterator[Finding]:
    """Yield how far two methods agree on a trait, freed of unreliability, and more than on other traits."""
    name, between = TRAITS[trait], f"{one}.{other}.{TRAITS[trait]}{about}"
    words = f"{name.capitalize()}: {METHODS[one]} against {METHODS[other]}"
    own = matrix[trait, trait]
    r = fisher(float(own[0]), n)
    verdict: Verdict = "outside" if r.high < LEAST_AGREEMENT else "inside"
    note = f"over {n} vectors; {LEAST_AGREEMENT} is little for two measures of one trait"
    yield told(f"situations.agree.{between}", f"{words}, correlation", r, n, "r", note, expected=1.0, verdict=verdict)
    both = reliable[one][trait] * reliable[other][trait]
    if min(reliable[one][trait], reliable[other][trait]) >= LEAST_RELIABLE:
        root = float(np.sqrt(both))
        freed = Estimate(r.value / root, r.low / root, r.high / root)
        said = f"divided by the root of {reliable[one][trait]:.2f} times {reliable[other][trait]:.2f}; may exceed 1"
        yield told(f"situations.true.{between}", f"{words}, freed of unreliability", freed, n, "r", said, expected=1.0)
    others = np.mean([np.abs(values) for (i, j), values in matrix.items() if i != j], axis=0)
    yield told(
        f"situations.apart.{between}",
        f"{words}, above the mean size of correlations with other traits",
        interval(own - others),
        n,
        "r",
        "above 0: the trait is told apart",
    )


def fisher(r: float, n: int) -> Estimate:
    """Return a correlation of n independent pairs with Fisher's (1921) interval; NaN where there is none."""
    if not np.isfinite(r) or n < 4:
        return NOTHING
    z, half = float(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))), Z90 / np.sqrt(n - 3)
    return Estimate(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def text_method(target: Sequence[str], topic: Sequence[str], z: Floats) -> Method | None:
    """Return readings of free text (n, 5) as a method: the mean of each target, its reliability alpha over topics.

    A topic counts for reliability where every target was asked on it. None where there are no two targets.
    """
    names, rows = np.unique(np.asarray(target, dtype=object).astype(str), return_inverse=True)
    places, columns = np.unique(np.asarray(topic, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    cells = np.full((len(names), len(places), 5), np.nan)
    for trait in range(5):
        known = np.isfinite(z[:, trait])
        flat = rows[known] * len(places) + columns[known]
        count = np.bincount(flat, minlength=cells[..., 0].size)
        total = np.bincount(flat, weights=z[known, trait], minlength=cells[..., 0].size)
        with np.errstate(invalid="ignore", divide="ignore"):
            cells[..., trait] = (total / count).reshape(len(names), len(places))
    given = np.isfinite(cells).sum(axis=1)
    means = np.where(given > 0, np.nansum(cells, axis=1) / np.maximum(given, 1), np.nan)
    reliable = []
    for trait in range(5):
        part = cells[:, np.isfinite(cells[..., trait]).all(axis=0), trait]
        reliable.append(alpha(part).value if part.shape[1] >= 2 else float("nan"))
    return Method(name=TEXT, respondents=tuple(names.tolist()), scores=means, reliability=tuple(reliable))


def deeds_method(sheet: Deeds) -> Method:
    """Return the choices of those who were asked for a vector as a method."""
    known = np.asarray(np.isfinite(sheet.target).all(axis=1))
    names = tuple(name for name, there in zip(sheet.respondents, known, strict=True) if there)
    scores = sheet.scores()[known]
    reliable = tuple(one.value for one in alphas(sheet.value[known])) if known.sum() >= FEWEST else (float("nan"),) * 5
    return Method(name=DEEDS, respondents=names, scores=_as_z(scores), reliability=reliable)


def _as_z(scores: Floats) -> Floats:
    """Return scores from 0 to 1 on the scale of the other methods, whose readings are z."""
    return np.where(np.isfinite(scores), z_from_percentile(np.nan_to_num(scores, nan=0.5)), np.nan)
