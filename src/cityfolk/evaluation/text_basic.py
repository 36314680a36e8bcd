"""Plain counts over what was written: how much is valid, free of contradictions, long, varied, repeated.

Shares carry the Wilson score interval at 90%. They describe the profiles that were written, unweighted; n is the number
of profiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import polars as pl

from cityfolk.evaluation.intervals import wilson
from cityfolk.evaluation.written import written_columns
from cityfolk.types import Finding
from cityfolk.vocabulary import PROBLEM_RULES

CORE_RULES = ("age", "sex", "job", "household", "origin")
CORE_SHARE, VALID_SHARE = 0.99, 1.0
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def text_findings(profiles: pl.DataFrame, *, failures: Mapping[str, int] | None = None) -> list[Finding]:
    """Return the findings on profiles.parquet, one set an engine; `failures`: by engine, how many it could not write.

    With one engine ids are `text.valid`, `text.clear.age`, ...; with several the engine's name follows the id:
    `text.valid@pocket`. An engine that wrote nobody has `text.valid` and nothing else.
    """
    findings: list[Finding] = []
    failed = {engine: count for engine, count in (failures or {}).items() if count}
    engines = sorted({*profiles["engine"].unique(), *failed})
    for engine in engines:
        part = profiles.filter(pl.col("engine") == engine)
        suffix = f"@{engine}" if len(engines) > 1 else ""
        findings += [_named(finding, suffix) for finding in _engine_findings(part, failed.get(engine, 0))]
    return findings


def valid_finding(profiles: pl.DataFrame, lost: Mapping[str, int]) -> list[Finding]:
    """Return the share of records that could be read, a source each; `lost`: by source, how many could not."""
    sources = sorted({*profiles["engine"].unique(), *(name for name, count in lost.items() if count)})
    counts = [(source, profiles.filter(pl.col("engine") == source).height) for source in sources]
    title = "Profiles that could be read, of those in the file"
    return [
        _named(
            _share("text.valid", title, n, n + lost.get(source, 0), VALID_SHARE),
            f"@{source}" if len(sources) > 1 else "",
        )
        for source, n in counts
    ]


def _named(finding: Finding, suffix: str) -> Finding:
    if not suffix:
        return finding
    values = {name: getattr(finding, name) for name in Finding.__dataclass_fields__}
    return Finding(**values | {"id": finding.id + suffix, "title": f"{finding.title} ({suffix[1:]})"})


def _engine_findings(profiles: pl.DataFrame, failures: int) -> Iterator[Finding]:
    n = profiles.height
    yield _share("text.valid", "Profiles valid by the schema, of those asked for", n, n + failures, VALID_SHARE)
    if n == 0:
        return
    rules = profiles["problems"].list.eval(pl.element().struct.field("rule")).to_list()
    for rule in PROBLEM_RULES:
        clear = sum(rule not in broken for broken in rules)
        yield _share(f"text.clear.{rule}", f"Profiles without a contradiction of {rule}", clear, n)
    core = sum(not set(broken) & set(CORE_RULES) for broken in rules)
    title = "Profiles without a contradiction of age, sex, job, household or origin"
    yield _share("text.clear.core", title, core, n, CORE_SHARE)
    yield _share("text.clear.all", "Profiles without any contradiction found", sum(not b for b in rules), n)
    yield from _wording(profiles)


def _share(name: str, title: str, successes: int, n: int, at_least: float | None = None) -> Finding:
    low, high = wilson(successes, n)
    share = successes / n
    return Finding(
        id=name,
        title=title,
        value=share,
        low=low,
        high=high,
        n=n,
        unit="share",
        expected=at_least,
        verdict="none" if at_least is None else "inside" if share >= at_least else "outside",
        note="" if at_least is None else "expected: at least",
    )


def words(text: str) -> list[str]:
    """Return a text's words in lower case; digits and punctuation are none."""
    return _WORD.findall(text.lower())


def distinct(texts: Iterable[list[str]], size: int) -> float:
    """Return distinct-n (Li et al. 2016): different n-grams over all n-grams, none reaching across two texts."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for tokens in texts:
        grams = list(zip(*(tokens[i:] for i in range(size)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else float("nan")


def _wording(profiles: pl.DataFrame) -> Iterator[Finding]:
    columns = [name for name in written_columns(profiles) if profiles.schema[name] == pl.String]
    fields = profiles.select(columns).fill_null("")
    tokens = [[words(text) for text in row] for row in fields.iter_rows()]
    lengths = np.array([sum(len(t) for t in row) for row in tokens], dtype=float)
    n = profiles.height
    low, high = np.quantile(lengths, [0.05, 0.95])
    note = "low and high: 5th and 95th percentile of profiles"
    yield Finding(
        id="text.words",
        title="Words in a profile",
        value=float(lengths.mean()),
        low=float(low),
        high=float(high),
        n=n,
        unit="words",
        note=note,
    )
    flat = [t for row in tokens for t in row]
    for size in (1, 2):
        what = f"Different {'words' if size == 1 else 'pairs of words'} among all"
        note = "falls as more profiles are written: compare at equal n"
        yield Finding(id=f"text.distinct{size}", title=what, value=distinct(flat, size), n=n, unit="share", note=note)
    yield from _repeats(profiles, columns, n)


def _repeats(profiles: pl.DataFrame, columns: list[str], n: int) -> Iterator[Finding]:
    def repeated(frame: pl.DataFrame) -> int:
        return frame.height - frame.unique().height

    whole = profiles.select(columns)
    yield _share("text.repeated", "Profiles that repeat another word for word", repeated(whole), n)
    counts: Callable[[str], int] = lambda column: repeated(profiles.select(column))  # noqa: E731
    by_field = {column: counts(column) for column in columns if column != "job_title"}
    if by_field:
        worst = max(by_field, key=lambda column: by_field[column])
        total = sum(by_field.values())
        finding = _share("text.repeated_fields", "Texts equal to another person's", total, n * len(by_field))
        values = {name: getattr(finding, name) for name in Finding.__dataclass_fields__}
        yield Finding(**values | {"note": f"most often {worst}: {by_field[worst]} of {n}"})
