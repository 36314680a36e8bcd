"""Culture and emotion: answers to the same vectors from many backgrounds -> findings `control.culture.*` and marks.

An id ends in @READER|MODEL|ARM. `vector.MEASURE` and `FACTOR.MEASURE` are shares of what differs between answers to the
same question (explained); FACTOR is nationality, language, sex, age or religion; MEASURE a trait, `personality` (five
together), `sentiment`, or `emotion` (28 together). `gap.FACTOR.MEASURE` is the largest difference between two values of
a factor; `tone.TARGET` the sentiment of answers under one vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk import rng
from cityfolk.evaluation.control.backgrounds import WHERE, WHO
from cityfolk.evaluation.control.draws import Draws, Floats
from cityfolk.evaluation.control.explained import (
    Effects,
    Explained,
    Table,
    factor_effects,
    factor_shares,
    group_means,
    table_of,
    vector_shares,
)
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.corpus import Detail, Evidence
from cityfolk.evaluation.intervals import Z90
from cityfolk.evaluation.statistics import Estimate, holm
from cityfolk.types import Finding

PREFIX = "control.culture."
KINDS = (WHERE, WHO)
ALPHA = 0.05
LEAST = 0.01
"""A share smaller than this raises no alarm, however sure it is."""
SEEN = 0.02
"""An emotion in fewer sentences than this is not compared between backgrounds."""
RESAMPLES = 400
FEWEST = 30
SENTIMENT, EMOTION, PERSONALITY = "sentiment", "emotion", "personality"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one reader read in n answers: (n, m) values, NaN where nothing; what they are, and in which unit.

    `together` names measures that are also taken as one; `alone` those that are also told by themselves.
    """

    reader: str
    names: tuple[str, ...]
    values: Floats
    unit: str
    together: Mapping[str, tuple[str, ...]]
    alone: tuple[str, ...]

    def rows(self, kept: Sequence[int]) -> Read:
        """Return what was read in some of the answers."""
        return replace(self, values=self.values[list(kept)])

    def columns(self) -> dict[str, list[int]]:
        """Return the columns of each measure."""
        found = {name: [self.names.index(name)] for name in self.alone}
        return found | {name: [self.names.index(one) for one in own] for name, own in self.together.items()}

    def unit_of(self, name: str) -> str:
        """Return the unit of one measure."""
        return self.unit if name in self.alone and name != SENTIMENT else "-1 to 1" if name == SENTIMENT else "share"


@dataclass(slots=True)
class _Arm:
    """One model's answers under one condition, as one reader reads them, and what is found."""

    source: str
    note: str
    findings: list[Finding]
    details: list[Detail]
    tested: list[tuple[int, float, bool]]  # place of a finding, its p, whether it is a share

    def keep(self, finding: Finding, p: float | None = None, *, share: bool = False) -> None:
        if p is not None and finding.value is not None and np.isfinite(p):
            self.tested.append((len(self.findings), p, share))
        self.findings.append(finding)


def cultures_evidence(answers: pl.DataFrame, readings: Sequence[Read], *, seed: int = 0) -> Evidence:
    """Return the findings and the marks of answers and what was read in them.

    `answers` has model, arm, question_id, target_name and the five factors ("" where a request didn't say it), a row
    an answer in the order of the readings. Arms with fewer than thirty answers are left out.
    """
    evidence = Evidence()
    numbered = answers.with_row_index("row")
    with threadpool_limits(limits=1, user_api="blas"):
        for model, arm in answers.select("model", "arm").unique().sort("model", "arm").iter_rows():
            own = numbered.filter((pl.col("model") == model) & (pl.col("arm") == arm))
            if own.height < FEWEST or own["question_id"].n_unique() < 2:
                continue
            stream = rng.child(seed, "evaluation", "control", "cultures", model)
            draws = Draws.of(own["question_id"].n_unique(), "questions", stream, RESAMPLES)
            for read in readings:
                evidence += _read(own, read.rows(own["row"].to_list()), draws, model, arm)
    return evidence


def _read(own: pl.DataFrame, read: Read, draws: Draws, model: str, arm: str) -> Evidence:
    if np.isfinite(read.values).any(axis=1).sum() < FEWEST:
        return Evidence()
    done = _Arm(f"{read.reader}|{model}|{arm}", f"read by {read.reader}", [], [], [])
    whole = _table(own, read, draws, ())
    columns = read.columns()
    if own["target_name"].n_unique() > 1:
        for measure, found in vector_shares(whole, columns).items():
            done.keep(_share("vector", measure, found, done))
    for kind in KINDS:
        there = np.flatnonzero(own[kind[0]].to_numpy() != "")
        if len(there) < FEWEST:
            continue
        # Rows without this kind of background say nothing of it, but they are the same answers' neighbours.
        table = _table(own, read, draws, kind).rows(there.astype(np.int64))
        for (factor, measure), one in factor_shares(table, columns).items():
            done.keep(_share(factor, measure, one, done), one.p, share=True)
        for measure in _compared(read):
            column = read.names.index(measure)
            effects = factor_effects(table.of(values=table.values[:, [column]]))
            for factor, effect in effects.items():
                done.keep(_gap(factor, measure, effect, read, done))
                done.tested += [(-1, gap.p, False) for gap in effect.gaps[1:]]
                done.tested.append((len(done.findings) - 1, effect.gaps[0].p, False))
                done.details += _levels(factor, measure, effect, done.source)
    _profiles(own, read, whole, draws, done)
    return Evidence(tuple(_settled(done)), tuple(done.details))


def _table(own: pl.DataFrame, read: Read, draws: Draws, kind: Sequence[str]) -> Table:
    factors = {name: own[name].to_list() for name in kind}
    return table_of(read.values, own["question_id"].to_list(), own["target_name"].to_list(), factors, draws)


def _compared(read: Read) -> list[str]:
    """Return the measures whose values are compared between backgrounds: those told alone, and emotions that occur."""
    often = [
        name
        for name in read.together.get(EMOTION, ())
        if np.nanmean(read.values[:, read.names.index(name)]) >= SEEN and name not in read.alone
    ]
    return [*read.alone, *often]


def _share(factor: str, measure: str, found: Explained, done: _Arm) -> Finding:
    what = f"{measure}, {_several(measure)} together," if measure in (PERSONALITY, EMOTION) else measure
    title = f"Share of {what} that {'the vector' if factor == 'vector' else factor} explains"
    note = f"of what differs between answers to the same question; omega^2, {found.levels} values; {done.note}"
    expected = None if factor == "vector" else 0.0
    return told(
        f"culture.{factor}.{measure}@{done.source}", title, found.share, found.n, "share", note, expected=expected
    )


def _several(measure: str) -> str:
    return "five traits" if measure == PERSONALITY else "28 labels"


def _gap(factor: str, measure: str, effect: Effects, read: Read, done: _Arm) -> Finding:
    top = effect.gaps[0]
    title = f"Largest difference in {measure} by {factor}: {top.high} above {top.low}"
    note = f"the largest of {len(effect.gaps)} pairs, 90% for the largest (Tukey-Kramer); {done.note}"
    value = Estimate(top.value, *effect.interval)
    unit = "share of sentences" if read.unit_of(measure) == "share" else read.unit_of(measure)
    return told(f"culture.gap.{factor}.{measure}@{done.source}", title, value, effect.n, unit, note, expected=0.0)


def _levels(factor: str, measure: str, effect: Effects, source: str) -> Iterator[Detail]:
    for level in effect.levels:
        yield Detail(
            name=f"{PREFIX}level.{factor}",
            source=source,
            group=measure,
            label=level.label,
            value=level.value,
            low=level.value - Z90 * level.error,
            high=level.value + Z90 * level.error,
        )


def _profiles(own: pl.DataFrame, read: Read, table: Table, draws: Draws, done: _Arm) -> None:
    """Keep the sentiment and the emotions of the answers under each vector, over all backgrounds."""
    if EMOTION not in read.together and SENTIMENT not in read.names:
        return
    names = own["target_name"].to_numpy()
    for target in sorted(set(names.tolist())):
        rows = np.flatnonzero((names == target) & np.isfinite(table.values).all(axis=1))
        if not len(rows):
            continue
        means = group_means(table.values[rows], table.question[rows], draws)
        for name, found in zip(read.names, means, strict=True):
            if name == SENTIMENT:
                title = f"Sentiment of answers as {target}"
                note = f"over all backgrounds; 90% by drawing questions anew; {done.note}"
                done.keep(told(f"culture.tone.{target}@{done.source}", title, found, len(rows), "-1 to 1", note))
                continue
            ends = bool(np.isfinite([found.low, found.high]).all())
            done.details.append(
                Detail(
                    name=f"{PREFIX}emotion",
                    source=done.source,
                    group=target,
                    label=name,
                    x=float(len(rows)),
                    value=found.value,
                    low=max(0.0, found.low) if ends else None,
                    high=found.high if ends else None,
                )
            )


def _settled(done: _Arm) -> list[Finding]:
    """Judge shares and differences, each over all that were tested of this arm (Holm 1979); place -1 is not told."""
    found = list(done.findings)
    for share in (True, False):
        own = [(place, p) for place, p, kind in done.tested if kind == share]
        if not own:
            continue
        for (place, _), p in zip(own, holm([p for _, p in own]), strict=True):
            if place < 0:
                continue
            one = found[place]
            raised = p <= ALPHA and (not share or (one.value or 0.0) >= LEAST)
            note = f"{one.note}; Holm-corrected p = {p:.2g}" + (f", alarm from {LEAST}" if share else "")
            found[place] = replace(one, verdict="outside" if raised else "inside", note=note)
    return found
