"""The shipped rater: how much of each trait a text expresses, by a lexicon that anyone can read.

It counts words and phrases of both poles of each trait (`rater_lexicon.toml`), turns a match round where the clause
negates it ("not", "rarely", "avoids", "rather than"), and scores a trait as (high - low) / (high + low + 1), from -1
to 1. It knows no more: no irony, no context, no topic. What it measures is expressed style, and it says so: not what a
person is, and not a percentile.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.written import written_columns
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

INSTRUMENT = "cityfolk rater 1 (lexicon, expressed)"
POLES = ("high", "low")
LOW_BELOW, HIGH_ABOVE = 0.20, 0.80
LEAST_AUC = 0.80
_RESAMPLES = 1000
_FEWEST = 5
# The prompt gives each trait in adjectives that are markers too, and these fields speak of the traits themselves.
_ABOUT_TRAITS = frozenset({"personality_description", "reflection_personality", "reflection_core_traits"})
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[.,;:!?()\n]")
_WINDOW = 4
_BREAKS = frozenset(".,;:!?()\n") | {"but", "although", "though", "while", "yet", "however", "and", "because", "so"}
_NEGATORS = frozenset(
    "not never rarely seldom hardly barely scarcely no without nor neither cannot less least lacks lack lacking "
    "avoids avoid avoiding dislikes dislike hates hate refuses unable unwilling reluctant fails little few "
    "struggles stops nothing nobody none isn't aren't wasn't doesn't don't didn't won't can't couldn't wouldn't".split()
)
# Negators that act only with the word after them, and pairs that look like a negation and are none.
_NEEDS_TO = frozenset({"refuses", "unable", "unwilling", "reluctant", "fails", "struggles", "stops"})
_PAIRS = {("rather", "than"), ("instead", "of"), ("far", "from"), ("anything", "but"), ("hard", "to"), ("slow", "to")}
_PAIRS |= {("difficult", "to"), ("free", "of"), ("free", "from"), ("trouble", "staying"), ("nothing", "like")}
_NO_NEGATION = {("not", "only"), ("not", "just"), ("no", "doubt"), ("no", "matter"), ("a", "little"), ("a", "few")}
_NOT_A_MARKER = {
    ("kind", "of"),
    ("kinds", "of"),
    ("this", "kind"),
    ("some", "kind"),
    ("what", "kind"),
    ("that", "kind"),
}

Entry = tuple[tuple[str, ...], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a text expresses: raw scores from -1 to 1 by trait, and how many markers of each pole were found."""

    scores: dict[str, float]
    high: dict[str, int]
    low: dict[str, int]
    words: int
    instrument: str = INSTRUMENT


@dataclass(frozen=True, slots=True)
class Match:
    """One marker found: the words as written, the trait, the pole after negation, and whether it was negated."""

    words: str
    trait: str
    pole: str
    negated: bool


def rate(text: str) -> Rating:
    """Rate one text."""
    tokens = _tokens(text)
    counts = {pole: dict.fromkeys(TRAITS, 0) for pole in POLES}
    for match in _matches(tokens):
        counts[match.pole][match.trait] += 1
    scores = {}
    for trait in TRAITS:
        high, low = counts["high"][trait], counts["low"][trait]
        scores[trait] = (high - low) / (high + low + 1)
    words = sum(token[0].isalpha() for token in tokens)
    return Rating(scores=scores, high=counts["high"], low=counts["low"], words=words)


def rate_many(texts: Iterable[str]) -> NDArray[np.float64]:
    """Return raw scores of n texts as (n, 5), columns in the order of TRAITS."""
    rows = [[rating.scores[trait] for trait in TRAITS] for rating in map(rate, texts)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(TRAITS))


def explain(text: str) -> tuple[Match, ...]:
    """Return every marker that counted, in the order of the text."""
    return tuple(_matches(_tokens(text)))


def auc(low_scores: ArrayLike, high_scores: ArrayLike) -> float:
    """Return the chance that a score of the high group exceeds one of the low group; ties count half."""
    low, high = np.asarray(low_scores, dtype=np.float64), np.asarray(high_scores, dtype=np.float64)
    if not low.size or not high.size:
        raise DataError("AUC needs scores in both groups", hint="write more citizens, or widen the groups")
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    up_to = np.searchsorted(ordered, high, side="right")
    return float((below + up_to).mean() / (2.0 * low.size))


def written_text(profiles: pl.DataFrame, columns: Sequence[str] = ()) -> list[str]:
    """Return each profile's written fields as one text, one field a line; by default every column of text.

    The job title is left out: it repeats a fact.
    """
    texts = []
    for row in profiles.select(list(columns) or _columns(profiles)).iter_rows():
        parts = [", ".join(part) if isinstance(part, list) else part for part in row if part]
        texts.append("\n".join(parts))
    return texts


def _columns(profiles: pl.DataFrame) -> list[str]:
    return [name for name in written_columns(profiles) if name != "job_title"]


def expressed_findings(profiles: pl.DataFrame, people: pl.DataFrame, columns: Sequence[str] = ()) -> list[Finding]:
    """Say how well the written text alone tells who is low and who is high in each trait, an engine at a time.

    `profiles` has person_id and columns of text, `people` has person_id and the five percentiles (with overrides, where
    traits were set by hand). For each trait: the AUC of telling those below the 20th percentile from those above the
    80th with a 90% bootstrap interval, the same by the fields that do not describe the personality itself (a model may
    copy there the adjectives that its prompt gives), and Spearman's correlation over everybody. With several engines
    (column `engine`) the engine's name follows the id: `text.expressed.auc.openness@pocket`.
    """
    engines = profiles["engine"].unique().sort().to_list() if "engine" in profiles.columns else []
    if len(engines) < 2:
        return _expressed(profiles, people, columns)
    return [
        replace(finding, id=f"{finding.id}@{engine}", title=f"{finding.title} ({engine})")
        for engine in engines
        for finding in _expressed(profiles.filter(pl.col("engine") == engine), people, columns)
    ]


def _expressed(profiles: pl.DataFrame, people: pl.DataFrame, columns: Sequence[str]) -> list[Finding]:
    joined = profiles.join(people.select("person_id", *TRAITS), on="person_id", how="inner", maintain_order="left")
    written = joined.drop(TRAITS)
    chosen = list(columns) or _columns(written)
    elsewhere = [name for name in chosen if name not in _ABOUT_TRAITS]
    scores = rate_many(written_text(written, chosen))
    others = rate_many(written_text(written, elsewhere)) if elsewhere else None
    findings = []
    for position, trait in enumerate(TRAITS):
        percentile = joined[trait].to_numpy().astype(np.float64)
        title = f"Telling low from high {trait} by the text alone (AUC)"
        auc_name = f"text.expressed.auc.{trait}"
        findings.append(_auc_finding(auc_name, title, trait, scores[:, position], percentile, LEAST_AUC))
        if others is not None:
            title = f"Telling low from high {trait} by the text without the description of personality (AUC)"
            auc_name = f"text.expressed.auc_elsewhere.{trait}"
            findings.append(_auc_finding(auc_name, title, trait, others[:, position], percentile))
        findings.append(_rank_finding(trait, scores[:, position], percentile))
    return findings


def _auc_finding(
    name: str,
    title: str,
    trait: str,
    score: NDArray[np.float64],
    percentile: NDArray[np.float64],
    at_least: float | None = None,
) -> Finding:
    low, high = score[percentile < LOW_BELOW], score[percentile > HIGH_ABOVE]
    note = f"{INSTRUMENT}; {len(low)} below the 20th percentile, {len(high)} above the 80th; 90% bootstrap interval"
    if min(len(low), len(high)) < _FEWEST:
        return Finding(id=name, title=title, value=None, n=len(low) + len(high), note=f"{note}; too few to tell")
    stream = rng.child(0, "evaluation", "expressed", trait)
    drawn = [
        auc(low[stream.integers(len(low), size=len(low))], high[stream.integers(len(high), size=len(high))])
        for _ in range(_RESAMPLES)
    ]
    value = auc(low, high)
    return Finding(
        id=name,
        title=title,
        value=value,
        low=float(np.quantile(drawn, 0.05)),
        high=float(np.quantile(drawn, 0.95)),
        n=len(low) + len(high),
        unit="AUC",
        expected=at_least,
        verdict="none" if at_least is None else "inside" if value >= at_least else "outside",
        note=note if at_least is None else f"{note}; expected is the least that is asked for",
    )


def _rank_finding(trait: str, score: NDArray[np.float64], percentile: NDArray[np.float64]) -> Finding:
    name, title = f"text.expressed.spearman.{trait}", f"Expressed and drawn {trait}, rank correlation"
    note = f"{INSTRUMENT}; 90% interval by Fisher's z"
    if len(score) < 2 * _FEWEST or np.ptp(score) == 0 or np.ptp(percentile) == 0:
        return Finding(id=name, title=title, value=None, n=len(score), note=f"{note}; too few or all alike")
    value = float(np.corrcoef(_ranks(score), _ranks(percentile))[0, 1])
    # 1.06 for ranks in place of 1 (Fieller, Hartley and Pearson 1957).
    half = Z90 * np.sqrt(1.06 / (len(score) - 3))
    z = np.arctanh(np.clip(value, -0.999999, 0.999999))
    low, high = float(np.tanh(z - half)), float(np.tanh(z + half))
    return Finding(id=name, title=title, value=value, low=low, high=high, n=len(score), unit="rho", note=note)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return pl.Series(values).rank("average").to_numpy()


def lexicon() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the lexicon: trait, pole, entries as written."""
    text = files("cityfolk.evaluation").joinpath("rater_lexicon.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    return {
        trait: {
            pole: tuple(entry.strip() for entry in raw[trait][pole].replace("\n", " ").split(",") if entry.strip())
            for pole in POLES
        }
        for trait in TRAITS
    }


@cache
def _index() -> tuple[dict[str, list[Entry]], dict[str, list[Entry]], tuple[int, ...]]:
    """Return the entries by their first word, exact and stemmed, and the lengths of stems, longest phrases first."""
    exact: dict[str, list[Entry]] = {}
    stems: dict[str, list[Entry]] = {}
    for trait, poles in lexicon().items():
        for pole, entries in poles.items():
            for entry in entries:
                words = tuple(word.rstrip("'") for word in entry.split())
                place = stems if words[0].endswith("*") else exact
                place.setdefault(words[0].rstrip("*"), []).append((words, trait, pole))
    for table in (exact, stems):
        for candidates in table.values():
            candidates.sort(key=lambda entry: -len(entry[0]))
    return exact, stems, tuple(sorted({len(stem) for stem in stems}, reverse=True))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def _matches(tokens: Sequence[str]) -> Iterable[Match]:
    """Find the longest entry at each place; its words are used up, also for negating what follows."""
    position = 0
    used: set[int] = set()
    while position < len(tokens):
        found = _longest(tokens, position)
        if found is None:
            position += 1
            continue
        words, trait, pole = found
        end = position + len(words)
        negated = _negations(tokens, position, used) % 2 == 1
        if negated:
            pole = POLES[1 - POLES.index(pole)]
        yield Match(" ".join(tokens[position:end]), trait, pole, negated)
        used.update(range(position, end))
        position = end


def _longest(tokens: Sequence[str], position: int) -> Entry | None:
    """Return the entry with most words that begins here; the longer stem wins among equals."""
    exact, stems, lengths = _index()
    token = tokens[position]
    pair = (token, tokens[position + 1] if position + 1 < len(tokens) else "")
    before = (tokens[position - 1] if position else "", token)
    if pair in _NOT_A_MARKER or before in _NOT_A_MARKER:
        return None
    best: Entry | None = None
    candidates = list(exact.get(token, ()))
    for length in lengths:
        if length <= len(token):
            candidates += stems.get(token[:length], ())
    for entry in candidates:
        words = entry[0]
        if best is not None and len(words) <= len(best[0]):
            continue
        rest = tokens[position : position + len(words)]
        if len(rest) == len(words) and all(map(_fits, words, rest)):
            best = entry
    return best


def _fits(pattern: str, token: str) -> bool:
    if pattern == "*":
        return token[0].isalpha()
    return token.startswith(pattern[:-1]) if pattern.endswith("*") else token == pattern


def _negations(tokens: Sequence[str], position: int, used: set[int]) -> int:
    """Count the negators in the few words before a marker, within its clause."""
    count = 0
    for back in range(1, _WINDOW + 1):
        at = position - back
        if at < 0:
            break
        token = tokens[at]
        following = tokens[at + 1]
        before = tokens[at - 1] if at else ""
        if token in _BREAKS and (before, token) not in _PAIRS:
            break
        if at in used:
            continue
        if (token, following) in _PAIRS:
            count += 1
        elif token in _NEGATORS and (token, following) not in _NO_NEGATION and (before, token) not in _NO_NEGATION:
            count += token not in _NEEDS_TO or following == "to"
    return count
