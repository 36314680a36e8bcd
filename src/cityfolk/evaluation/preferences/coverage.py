"""What is covered: corners of the cube, directions of each trait, targets, topics, domains and styles.

- `pairs.coverage.corners`: how many of the 32 corners of the cube (each trait high or low) hold pairs; each empty one
  is a finding `pairs.coverage.corner.CORNER`, such as "O-C-E-A-N-", of its own. Outside where pairs are missing.
- `pairs.coverage.low.TRAIT`, `high`: pairs whose target lies below or above .5; outside where there is none. Where
  there are both, the rarer has `pairs.coverage.tilt.TRAIT` times fewer pairs.
- `pairs.count`, `pairs.topics`, `pairs.styles`, `pairs.targets`: how many there are of each.

All tables of pairs count together, the same pair once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from cityfolk.evaluation.corpus import Detail
from cityfolk.evaluation.preferences.tables import TARGETS, UNTARGETED, Floats, Preferences, finding, matrix
from cityfolk.evaluation.preferences.verdicts import Tested
from cityfolk.personality.cube import CORNERS, corners
from cityfolk.types import Verdict
from cityfolk.vocabulary import TRAITS

_RARE = ("agreeableness", "conscientiousness")
_KEY = ("question_id", "target_name", "chosen_id", "rejected_id")


def coverage(data: Preferences) -> Iterator[Tested | Detail]:
    """Yield the findings and the marks of the pictures."""
    yield from _asked(data)
    if not data.pairs:
        return
    columns = [*_KEY, "topic", *TARGETS]
    pairs = pl.concat([table.select(columns) for table in data.pairs.values()]).unique(_KEY, maintain_order=True)
    styles = data.questions.select("question_id", "style")
    pairs = pairs.join(styles, on="question_id", how="left", maintain_order="left")
    n = pairs.height
    yield Tested(finding("count", "Pairs in all tables, the same pair once", float(n), n, "count"))
    for column, words in (("topic", "topics"), ("style", "styles"), ("target_name", "targets")):
        yield Tested(finding(words, f"Different {words} among the pairs", float(pairs[column].n_unique()), n, "count"))
    targets = matrix(pairs, TARGETS)
    yield from _cube(data, targets)
    yield from _directions(targets)
    for column in ("style", "target_name"):
        for label, count in sorted(Counter(pairs[column].drop_nulls().to_list()).items()):
            yield Detail(name=f"pairs.of.{column}", source="pairs", label=label, value=float(count))


def _asked(data: Preferences) -> Iterator[Tested | Detail]:
    """Tell what was asked: questions by domain, style and split, targets."""
    questions = data.questions
    n = questions.height
    yield Tested(finding("asked.questions", "Questions", float(n), n, "count"))
    yield Tested(finding("asked.topics", "Topics of questions", float(questions["topic"].n_unique()), n, "count"))
    held = questions.filter(pl.col("split") == "held-out")
    yield Tested(
        finding("asked.topics.held-out", "Topics held out", float(held["topic"].n_unique()), held.height, "count")
    )
    yield Tested(finding("asked.answers", "Answers", float(data.answers.height), data.answers.height, "count"))
    plain = data.answers.filter(pl.col("condition") == UNTARGETED).height
    yield Tested(finding("asked.untargeted", "Answers without a target", float(plain), data.answers.height, "count"))
    for column in ("domain", "style", "split"):
        for label, count in sorted(Counter(questions[column].drop_nulls().to_list()).items()):
            yield Detail(name=f"pairs.asked.{column}", source="questions", label=label, value=float(count))
    example = questions.sort("question_id").group_by("topic", maintain_order=True).first()
    counts = dict(questions.group_by("topic").len().iter_rows())
    for row in example.iter_rows(named=True):
        yield Detail(
            name="pairs.asked.topic",
            source=row["split"],
            label=row["topic"],
            group=row["domain"] or "",
            value=float(counts[row["topic"]]),
            text=row["text"],
        )
    targets = data.answers.filter(pl.col("condition") != UNTARGETED)
    each = targets.group_by("target_name", *TARGETS).len().sort("target_name")
    yield Tested(finding("asked.targets", "Personalities asked for", float(each.height), targets.height, "count"))
    for row in each.iter_rows(named=True):
        for trait in TRAITS:
            yield Detail(
                name="pairs.asked.target",
                source="answers",
                group=row["target_name"],
                label=trait,
                x=row[f"target_{trait}"],
                value=float(row["len"]),
            )


def _cube(data: Preferences, targets: Floats) -> Iterator[Tested | Detail]:
    counts = np.bincount(corners(targets), minlength=32)
    vectors = data.answers.filter(pl.col("condition") != UNTARGETED).select(TARGETS).unique()
    asked = np.bincount(corners(matrix(vectors, TARGETS)), minlength=32)
    filled = int((counts > 0).sum())
    whole = finding(
        "coverage.corners",
        "Corners of the cube of personalities that hold pairs",
        float(filled),
        len(targets),
        "count",
        f"of 32, each trait high or low; answers were asked for in {int((asked > 0).sum())}",
        expected=32.0,
        verdict="inside" if filled == 32 else "outside",
    )
    yield Tested(whole)
    for name, count, wanted in zip(CORNERS, counts.tolist(), asked.tolist(), strict=True):
        yield Detail(name="pairs.corner", source="pairs", label=name, value=float(count), x=float(wanted))
        if not count:
            why = (
                "answers were asked for there, and no pair came of them" if wanted else "no answer was asked for there"
            )
            empty = finding(
                f"coverage.corner.{name}",
                f"Pairs in the corner {name}",
                0.0,
                len(targets),
                "count",
                why,
                expected=1.0,
                verdict="outside",
            )
            yield Tested(empty)


def _directions(targets: Floats) -> Iterator[Tested | Detail]:
    n = len(targets)
    for position, trait in enumerate(TRAITS):
        low, high = int((targets[:, position] < 0.5).sum()), int((targets[:, position] > 0.5).sum())
        for side, count in (("low", low), ("high", high)):
            note = "hardest to get from models that are agreeable and tidy" if side == "low" and trait in _RARE else ""
            title = f"Pairs whose target is {side} in {trait}"
            verdict: Verdict = "inside" if count else "outside"
            yield Tested(
                finding(
                    f"coverage.{side}.{trait}", title, float(count), n, "count", note, expected=1.0, verdict=verdict
                )
            )
            yield Detail(name="pairs.direction", source="pairs", group=trait, label=side, value=float(count))
        if low and high:
            title = f"Pairs of the commoner direction of {trait} over those of the rarer"
            yield Tested(
                finding(f"coverage.tilt.{trait}", title, max(low, high) / min(low, high), n, "ratio", "1 is balanced")
            )
