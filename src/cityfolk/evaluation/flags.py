"""What is flagged: the one place that says which findings raise an alarm, by which test, corrected for how many.

A flag is a finding with a p-value of "nothing is wrong". The p-value is worked out again here from the finding itself,
so that findings read back from a file are judged as fresh ones are:

- "at most": `value` is a share of `n`, `expected` the most allowed; exact binomial test.
- "at least": `value` is a correlation over `n`, `expected` the least asked for; Fisher's z.
- "p": `value` is itself a p-value (unit "p"): of a test that no single number sums up.
- "own": the measurement has judged the finding itself, with a false alarm in at most `ALPHA_OWN` of clean sets.

Over the flags of one source Holm's (1979) correction holds the chance of any false alarm at `ALPHA` less what "own"
takes, whatever their dependence, as long as each p-value is valid. A flagged finding has the verdict "outside", the
others "inside".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite

from cityfolk.evaluation.corpus import Evidence
from cityfolk.evaluation.statistics import correlation_below, holm, share_above
from cityfolk.types import Finding, Verdict

ALPHA, ALPHA_OWN = 0.05, 0.01
_HOLM = "Holm-corrected p"
# Ids (before "@SOURCE") and how each is tested.
FLAGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"text\.true\.contradicted\.\w+"), "at most"),
    (re.compile(r"text\.true\.official\.\w+\.p"), "p"),
    (re.compile(r"text\.personal\.correlation\.\w+"), "at least"),
    (re.compile(r"text\.variety\.copies"), "at most"),
    (re.compile(r"text\.fair\.sentiment"), "own"),
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A finding that was tested: its p-value alone and among all flags of its source (None: "own"), and the outcome."""

    finding: Finding
    p: float | None
    corrected: float | None
    raised: bool


def test_of(finding: Finding) -> str | None:
    """Return how a finding is tested, None if it is no flag."""
    name = finding.id.partition("@")[0]
    return next((test for pattern, test in FLAGS if pattern.fullmatch(name)), None)


def p_value(finding: Finding) -> float | None:
    """Return a flag's own p-value; None where the finding is no flag or has no value to test."""
    test, value, n, expected = test_of(finding), finding.value, finding.n, finding.expected
    if test is None or value is None or not isfinite(value):
        return None
    if test == "p":
        return min(max(value, 0.0), 1.0)
    if test == "own" or expected is None or not n:
        return None
    return share_above(round(value * n), n, expected) if test == "at most" else correlation_below(value, n, expected)


def flags(findings: Iterable[Finding]) -> list[Flag]:
    """Return every flag that can be tested, corrected within its source (what follows "@" in the id)."""
    tested: dict[str, list[tuple[Finding, float]]] = {}
    result = []
    for finding in findings:
        p = p_value(finding)
        if p is not None:
            tested.setdefault(finding.id.partition("@")[2], []).append((finding, p))
        elif test_of(finding) == "own" and finding.verdict != "none":
            result.append(Flag(finding, None, None, finding.verdict == "outside"))
    for family in tested.values():
        corrected = holm([p for _, p in family])
        for (finding, p), held in zip(family, corrected, strict=True):
            result.append(Flag(finding, p, float(held), bool(held <= ALPHA - ALPHA_OWN)))
    return result


def judge(evidence: Evidence) -> Evidence:
    """Return the evidence with a verdict on every flag; call it once, with all findings of a study's text together."""
    outcome = {flag.finding.id: flag for flag in flags(evidence.findings)}
    return Evidence(tuple(_judged(f, outcome.get(f.id)) for f in evidence.findings), evidence.details)


def _judged(finding: Finding, flag: Flag | None) -> Finding:
    if flag is None or flag.corrected is None:
        return finding
    verdict: Verdict = "outside" if flag.raised else "inside"
    kept = [part for part in finding.note.split("; ") if part and not part.startswith(_HOLM)]
    return replace(finding, verdict=verdict, note="; ".join([*kept, f"{_HOLM} = {flag.corrected:.2g}"]))


def flagged(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that raise an alarm, the surest first."""
    raised = [flag for flag in flags(findings) if flag.raised]
    return [flag.finding for flag in sorted(raised, key=lambda flag: flag.corrected or 0.0)]
