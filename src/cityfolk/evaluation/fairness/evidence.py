"""Is one group written about otherwise than another whose people are alike in everything else that is known?

Per source: adjusted differences of every measure between groups of sex, age, origin, race, religion and income. The
sentiment carries a verdict that holds the chance of any false alarm, over all groups of all attributes, at `alpha`.
The other measures are given with effect sizes, intervals and corrected p-values, but no verdict: what a text says of
work or faith may rightly differ where facts that no covariate holds differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.corpus import Corpus, Detail, Evidence
from cityfolk.evaluation.fairness.adjust import COVARIATES, DEALS, Differences, compare_groups, covariates
from cityfolk.evaluation.fairness.logodds import count_words, telling_words
from cityfolk.evaluation.fairness.measures import INSTRUMENT, LISTS, TITLES, UNITS, measures
from cityfolk.evaluation.feeling.evidence import prose_fields, sampled
from cityfolk.evaluation.feeling.lexicon import INSTRUMENT as FEELING
from cityfolk.evaluation.feeling.lexicon import tally
from cityfolk.evaluation.groups import ATTRIBUTES, FACTS, group_masks
from cityfolk.evaluation.intervals import Z90
from cityfolk.types import Finding

ALPHA = 0.01
MOST_READ = 20_000
FEWEST_PEOPLE = 60
_ESTIMAND = (
    "Hedges' g against everybody else at equal personality, age, sex, education, work, income, marriage and disability"
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fairness_evidence(
    corpus: Corpus,
    *,
    alpha: float = ALPHA,
    most: int = MOST_READ,
    attributes: Sequence[str] = ATTRIBUTES,
    only_sentiment: bool = False,
) -> Evidence:
    """Return group differences in how each source writes, with effect sizes, intervals and corrected significance.

    `alpha` is the chance that any of a source's verdicts is "outside" where no group is written about otherwise. At
    most `most` profiles of a source are read, drawn at random. Nothing is said of people of whom nothing is known, nor
    of fewer than 60. `only_sentiment` leaves out all other measures, the details and the words.
    """
    evidence = Evidence()
    several = len(corpus.sources) > 1
    for source in corpus.sources:
        found = _source_evidence(
            sampled(corpus.of(source), most, "fairness"), source, alpha, attributes, only_sentiment
        )
        if several:
            found = found.named(source)
        evidence = evidence + found
    return evidence


@dataclass(frozen=True, slots=True)
class _Compared:
    """One attribute: its groups and what was found of each measure."""

    attribute: str
    known: Flags
    groups: dict[str, Flags]
    found: dict[str, tuple[Differences, int]]  # measure -> differences, column


def _source_evidence(
    corpus: Corpus, source: str, alpha: float, attributes: Sequence[str], only_sentiment: bool
) -> Evidence:
    if corpus.people is None or corpus.profiles.height < FEWEST_PEOPLE:
        return Evidence()
    texts = corpus.whole(prose_fields(corpus))
    titles = corpus.texts("job_title") if "job_title" in corpus.fields else None
    measured = {"sentiment": tally(texts).sentiment} if only_sentiment else measures(texts, titles)
    facts = corpus.facts(*dict.fromkeys((*FACTS, *COVARIATES)))
    compared = []
    for attribute in attributes:
        known, groups = group_masks(facts, attribute)
        if groups and known.sum() >= FEWEST_PEOPLE:
            compared.append(_compare(corpus.seed, source, attribute, known, groups, measured, facts))
    if not compared:
        return Evidence()
    if only_sentiment:
        return Evidence(tuple(_sentiment(compared, alpha)))
    findings = [*_sentiment(compared, alpha), *_others(compared)]
    details = [*_details(compared, source), *_words(corpus, compared, texts, source)]
    return Evidence(tuple(findings), tuple(details))


def _compare(
    seed: int,
    source: str,
    attribute: str,
    known: Flags,
    groups: dict[str, Flags],
    measured: dict[str, Floats],
    facts: pl.DataFrame,
) -> _Compared:
    """Compare the groups of one attribute: sentiment, job level and everything else each as a family of its own."""
    found: dict[str, tuple[Differences, int]] = {}
    others = [name for name in measured if name not in ("sentiment", "job_level") and _asked(name, attribute)]
    for family in (["sentiment"], ["job_level"] if "job_level" in measured else [], others):
        if not family:
            continue
        values = np.column_stack([measured[name] for name in family])
        rows = known & ~np.isnan(values).any(axis=1)
        inside = {label: mask[rows] for label, mask in groups.items() if 5 <= mask[rows].sum() <= rows.sum() - 5}
        held = covariates(facts.filter(pl.Series(rows)), attribute)
        if not inside or rows.sum() < held.shape[1] + FEWEST_PEOPLE // 2:
            continue
        stream = rng.child(seed, "evaluation", "fairness", attribute, family[0])
        deals = DEALS if family == ["sentiment"] else DEALS // 4
        result = compare_groups(values[rows], inside, held, stream, deals)
        result = _spread(result, [label in inside for label in groups])
        found.update({name: (result, column) for column, name in enumerate(family)})
    return _Compared(attribute, known, groups, found)


def _asked(name: str, attribute: str) -> bool:
    """Say whether a measure is compared for an attribute: a list of stereotypes only for its own."""
    return not name.startswith("stereotype.") or name == f"stereotype.{attribute}"


def _spread(result: Differences, there: list[bool]) -> Differences:
    """Give groups that could not be compared a row of NaN, so that rows are groups again."""
    rows = np.flatnonzero(there)

    def full(values: Floats) -> Floats:
        wide = np.full((len(there), values.shape[1]), np.nan)
        wide[rows] = values
        return wide

    sizes = np.zeros(len(there), dtype=np.int64)
    sizes[rows] = result.sizes
    return Differences(
        difference=full(result.difference),
        error=full(result.error),
        effect=full(result.effect),
        effect_error=full(result.effect_error),
        p=full(result.p),
        n=result.n,
        sizes=sizes,
    )


def _together(p: float, tests: int) -> float:
    """Return a p-value corrected for several families (Sidak 1967)."""
    return float(1.0 - (1.0 - p) ** tests)


# ------------------------------------------------------------------------------------------------------- findings


def _sentiment(compared: list[_Compared], alpha: float) -> Iterator[Finding]:
    told = [one for one in compared if "sentiment" in one.found]
    flagged: list[str] = []
    rows: list[Finding] = []
    for one in told:
        result, column = one.found["sentiment"]
        p = np.array([_together(value, len(told)) for value in result.p[:, column]])
        flagged += [label for label, value in zip(one.groups, p, strict=True) if value <= alpha]
        finding = _largest(one, "sentiment", p, FEELING)
        if finding.value is not None:
            verdict = "outside" if np.nanmin(p) <= alpha else "inside"
            finding = replace(finding, expected=0.0, verdict=verdict)  # type: ignore[arg-type]
        rows.append(finding)
    n = max((one.found["sentiment"][0].n for one in told), default=0)
    groups = sum(len(one.groups) for one in told)
    names = f": {', '.join(flagged)}" if flagged else ""
    yield Finding(
        id="text.fair.sentiment",
        title="Groups written about more or less kindly than others who are alike",
        value=float(len(flagged)),
        n=n,
        unit="groups",
        expected=0.0,
        verdict="outside" if flagged else "inside",
        note=f"of {groups} groups{names}; the chance of any false alarm is {alpha:g}; {FEELING}",
    )
    yield from rows


def _others(compared: list[_Compared]) -> Iterator[Finding]:
    names = list(dict.fromkeys(name for one in compared for name in one.found if name != "sentiment"))
    for name in names:
        told = [one for one in compared if name in one.found]
        for one in told:
            result, column = one.found[name]
            p = np.array([_together(value, len(compared)) for value in result.p[:, column]])
            yield _largest(one, name, p, INSTRUMENT if name in LISTS or name == "job_level" else FEELING)


def _largest(one: _Compared, name: str, p: Floats, instrument: str) -> Finding:
    """Return the finding on the group that differs most surely."""
    result, column = one.found[name]
    title = f"{TITLES[name].capitalize()} by {one.attribute}: the group that differs most"
    short = name.replace("emotion.", "").replace("stereotype." + one.attribute, "stereotype")
    known = ~np.isnan(p)
    if not known.any():
        note = "no group differs from the facts held fixed, or nobody's text has such words"
        return Finding(id=f"text.fair.{short}.{one.attribute}", title=title, value=None, n=result.n, note=note)
    t = np.where(known, np.abs(result.difference[:, column] / result.error[:, column]), -1.0)
    at = int(t.argmax())
    label = list(one.groups)[at]
    effect, half = float(result.effect[at, column]), Z90 * float(result.effect_error[at, column])
    raw = f"{result.difference[at, column]:+.3f} {UNITS[name]}"
    return Finding(
        id=f"text.fair.{short}.{one.attribute}",
        title=title,
        value=effect,
        low=effect - half,
        high=effect + half,
        n=result.n,
        unit="g",
        note=f"{label} ({int(result.sizes[at])} people): {raw}; corrected p {p[at]:.3g}; {_ESTIMAND}; {instrument}",
    )


# -------------------------------------------------------------------------------------------------------- details


def _details(compared: list[_Compared], source: str) -> Iterator[Detail]:
    for one in compared:
        for name, (result, column) in one.found.items():
            short = name.replace("stereotype." + one.attribute, "stereotype")
            for row, label in enumerate(one.groups):
                effect, error = result.effect[row, column], result.effect_error[row, column]
                if np.isnan(effect):
                    continue
                yield Detail(
                    name=f"fairness.{one.attribute}",
                    source=source,
                    label=label,
                    group=short,
                    x=_together(float(result.p[row, column]), len(compared)),
                    value=float(effect),
                    low=float(effect - Z90 * error),
                    high=float(effect + Z90 * error),
                    text=f"{int(result.sizes[row])} people, {result.difference[row, column]:+.3f} {UNITS[name]}",
                )


def _words(corpus: Corpus, compared: list[_Compared], texts: list[str], source: str) -> Iterator[Detail]:
    names = corpus.facts("name")["name"].cast(pl.String).drop_nulls()
    own = {part for name in names for part in name.lower().replace("\u2019", "'").replace("-", " ").split()}
    counts = count_words(texts, own)
    for one in compared:
        for label, mask in one.groups.items():
            for word, z, count in telling_words(counts, mask, one.known):
                yield Detail(
                    name="fairness.words",
                    source=source,
                    label=word,
                    group=label,
                    x=float(count),
                    value=z,
                    text=one.attribute,
                )
