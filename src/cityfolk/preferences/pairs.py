"""Answers and what judges read in them -> pairs: chosen is nearer to its target than rejected.

Of the answers made to one question under one target by one model, the chosen one is the nearest to the target. What is
rejected is found by a named strategy:

- farthest: the farthest other answer made under the same target (the original work's way);
- nearest-wrong: an answer made under another target that is near but one trait off;
- base: an answer of the same model to the same question without any target.

A distance is Mahalanobis' between z-scores (`personality.nearness`): of a target, and of the mean of the judges who
read both answers. Where a pair would not be fair or not be certain there is none, and the reason is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import log
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.cube import CORNERS, corners
from cityfolk.personality.nearness import mahalanobis
from cityfolk.personality.reference import z_from_percentile
from cityfolk.preferences.balance import BalanceRules, content_order, kept
from cityfolk.preferences.candidates import STRATEGIES, candidates
from cityfolk.preferences.judged import Judged, judged
from cityfolk.preferences.matching import match
from cityfolk.preferences.records import PAIRS, TARGET_COLUMNS
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DEFAULT = ("nearest-wrong", "base")
"""Not `farthest`: two answers under one target may differ by chance alone, which judges who agree do not see."""
TIE = 1e-9  # distances nearer to one another than this are equal

_UNIT_KEY = ("question_id", "target_name", "model", "condition", "strategy")
_SORTED_BY = ("question_id", "target_name", "strategy", "chosen_id", "rejected_id")
REASONS = {
    "no judge": "no judge read an answer",
    "one judge": "fewer judges than asked for read an answer",
    "nothing to reject": "there is no answer to reject",
    "same text": "both answers are the same text",
    "tie": "both answers are as near to the target",
    "not nearer": "the answer to reject is nearer to the target",
    "margin": "the answers differ by less than the margin",
    "judges disagree": "judges differ on which answer is nearer",
    "judges apart": "judges read the answers too differently",
    "length": "one answer is too long for the other",
    "used up": "the answer to reject is in enough pairs already",
    "balance": "dropped for balance over traits and directions",
    "mean length": "dropped for equal length on average",
}
"""Why there is no pair, in the order in which it is asked; the last two are asked of the whole set."""


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """What a pair must be. Distances and `apart` are in standard deviations of adults.

    `margin`: rejected distance minus chosen distance is at least this. `judges`: so many, and more than half of those
    who read both answers, find the chosen one nearer. `apart`: two judges' readings of the same answer differ by less
    than this (root mean square over traits and both answers). `ratio`: neither answer has more than so many times the
    words of the other. `reuse`: an answer is rejected at most so often. `balance` None: no pair is dropped for the sake
    of the set.
    """

    strategies: tuple[str, ...] = DEFAULT
    margin: float = 0.5
    judges: int = 2
    apart: float = 1.5
    ratio: float = 1.5
    reuse: int = 4
    balance: BalanceRules | None = field(default_factory=BalanceRules)

    def __post_init__(self) -> None:
        unknown = [name for name in self.strategies if name not in STRATEGIES]
        if unknown or not self.strategies:
            raise UsageError(f"there is no strategy {', '.join(unknown)!r}", hint=f"one of {', '.join(STRATEGIES)}")
        if self.margin < 0 or self.judges < 1 or self.apart <= 0 or self.ratio < 1 or self.reuse < 1:
            raise UsageError(
                f"pairs cannot be made by {asdict(self)}",
                hint="margin >= 0, judges >= 1, apart > 0, ratio >= 1, reuse >= 1",
            )
        if self.balance is not None and (
            self.balance.spread < 1 or self.balance.tilt < 1 or self.balance.mean_log_ratio <= 0
        ):
            raise UsageError(f"pairs cannot be balanced by {self.balance}", hint="spread >= 1, tilt >= 1, bound > 0")


@dataclass(frozen=True, kw_only=True)
class PairsMade:
    """Pairs as pairs/NAME.parquet has them, and the account of what became of every question, target and model.

    `asked` is their number, times strategies; `missing` counts by reason those that have no pair; `log_ratio` holds
    ln(words chosen / words rejected) of each pair.
    """

    table: pl.DataFrame
    asked: int
    missing: Mapping[str, int]
    log_ratio: Floats
    judges: tuple[str, ...]


def make_pairs(
    questions: pl.DataFrame,
    answers: pl.DataFrame,
    readings: pl.DataFrame,
    rules: PairRules | None = None,
    *,
    judges: Sequence[str] = (),
    targets: Sequence[str] = (),
    split: str = "all",
) -> PairsMade:
    """Return the pairs that the tables hold by the rules; the order of rows does not matter.

    `judges`, `targets` and `split` leave out others; none named means all. Raises DataError where a topic is in both
    splits, UsageError where a judge, target or split is not there.
    """
    rules = rules or PairRules()
    check_leakage(questions)
    seen = judged(answers, readings, judges, least=rules.judges)
    asked = _asked(questions, seen, targets, split)
    units, edges = candidates(asked, seen, rules.strategies)
    facts = _facts(units, edges, seen, rules)
    passed = facts["stage"] == len(_STAGES)
    turn = content_order(["/".join(key) for key in units.select(_UNIT_KEY).iter_rows()])[facts["unit"]]
    given = match(
        *(array[passed] for array in (facts["unit"], facts["rejected"], facts["rank"], turn)), reuse=rules.reuse
    )
    at = np.flatnonzero(passed)[given]
    stay, longer = _balanced(units, facts, at, seen, rules)
    missing = _missing(units, facts, at, stay, longer)
    chosen_rows = at[stay]
    table = _table(units, facts, chosen_rows, seen).with_row_index("row").sort(_SORTED_BY)
    order = table["row"].to_numpy()
    return PairsMade(
        table=table.drop("row"),
        asked=units.height,
        missing=missing,
        log_ratio=facts["log_ratio"][chosen_rows][order],
        judges=seen.judges,
    )


def check_leakage(questions: pl.DataFrame) -> None:
    """Raise DataError if a topic, or a question's text, is in more than one split."""
    for column, what in (("topic", "topic"), ("text", "question")):
        both = questions.group_by(column).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
        if both.height:
            names = sorted(both[column].to_list())
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            raise DataError(
                f"the {what} {names[0]!r}{more} is in both splits, train and held-out",
                hint="a split is by topic: put each topic into one of them",
            )


def _asked(questions: pl.DataFrame, seen: Judged, targets: Sequence[str], split: str) -> pl.DataFrame:
    """Return the answers that may be in pairs, with their question's topic and split."""
    if split not in ("all", "train", "held-out"):
        raise UsageError(f"there is no split {split!r}", hint="train, held-out or all")
    found = seen.answers.join(questions.select("question_id", "topic", "split"), on="question_id", how="left")
    if found["topic"].null_count():
        orphan = found.filter(pl.col("topic").is_null())["question_id"][0]
        raise DataError(f"an answer is to the question {orphan!r}, which is not there", hint="see questions.parquet")
    if split != "all":
        found = found.filter(pl.col("split") == split)
    known = set(found["target_name"].to_list()) - {""}
    unknown = sorted(set(targets) - known)
    if unknown:
        raise UsageError(
            f"no answer was made under the target {unknown[0]!r}", hint=f"there are {', '.join(sorted(known)[:12])}"
        )
    # Answers under targets that were not asked for may still be rejected.
    return found.with_columns(wanted=pl.col("target_name").is_in(list(targets)) if targets else pl.lit(True))


_STAGES = tuple(REASONS)[:10]


def _facts(units: pl.DataFrame, edges: pl.DataFrame, seen: Judged, rules: PairRules) -> dict[str, Any]:
    """Return arrays, one entry a candidate: the distances, and the first requirement it does not meet (`stage`)."""
    unit = edges["unit"].to_numpy()
    chosen, rejected = edges["chosen"].to_numpy(), edges["rejected"].to_numpy()
    percentiles = units.select(TARGET_COLUMNS).to_numpy()[unit].astype(np.float64).reshape(-1, 5)
    target = z_from_percentile(percentiles)
    both = seen.read[chosen] & seen.read[rejected]
    counted = both.sum(axis=1)
    near, far = (mahalanobis(_mean(seen.z[i], both), target) for i in (chosen, rejected))
    each_near, each_far = (mahalanobis(seen.z[i], target[:, None, :]) for i in (chosen, rejected))
    agree = (both & (each_far > each_near)).sum(axis=1)
    apart = np.sqrt((_variance(seen.z[chosen], both) + _variance(seen.z[rejected], both)).mean(axis=1))
    log_ratio = np.log(seen.words[chosen] / seen.words[rejected])
    gap = far - near
    failing = np.stack(
        [
            counted == 0,
            counted < rules.judges,
            np.zeros(len(unit), dtype=bool),
            seen.text[chosen] == seen.text[rejected],
            np.abs(gap) <= TIE,
            gap < 0,
            gap < rules.margin,
            (agree < rules.judges) | (2 * agree <= counted),
            (counted > 1) & ~(apart < rules.apart),
            np.abs(log_ratio) > log(rules.ratio) + TIE,
        ]
    )
    stage = np.where(failing.any(axis=0), failing.argmax(axis=0), len(_STAGES))
    return {
        "unit": unit,
        "chosen": chosen,
        "rejected": rejected,
        "rank": edges["rank"].to_numpy(),
        "both": both,
        "near": near,
        "far": far,
        "log_ratio": log_ratio,
        "stage": stage,
    }


def _mean(z: Floats, both: NDArray[np.bool_]) -> Floats:
    """Return the mean (n, 5) over the judges (n, judges, 5) that are flagged; NaN where none is."""
    count = both.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(both[:, :, None], z, 0.0).sum(axis=1) / count)


def _variance(z: Floats, both: NDArray[np.bool_]) -> Floats:
    """Return (n, 5) sample variances over the flagged judges: half the mean squared difference of two of them."""
    count = both.sum(axis=1)[:, None]
    off = np.where(both[:, :, None], z - _mean(z, both)[:, None, :], 0.0)
    return np.asarray((off**2).sum(axis=1) / np.maximum(count - 1, 1))


def _balanced(
    units: pl.DataFrame, facts: Mapping[str, Any], at: Ints, seen: Judged, rules: PairRules
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    unit = facts["unit"][at]
    rows = units[unit]
    keys = [
        "/".join(parts)
        for parts in zip(
            rows["question_id"].to_list(),
            rows["target_name"].to_list(),
            rows["strategy"].to_list(),
            seen.ids[facts["chosen"][at]].tolist(),
            seen.ids[facts["rejected"][at]].tolist(),
            strict=True,
        )
    ]
    return kept(
        rows.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5),
        rows["target_name"].to_list(),
        facts["log_ratio"][at],
        content_order(keys),
        rules.balance,
    )


def _missing(
    units: pl.DataFrame, facts: Mapping[str, Any], at: Ints, stay: NDArray[np.bool_], longer: NDArray[np.bool_]
) -> dict[str, int]:
    """Count, for every unit without a pair, the reason that its best candidate failed for."""
    names = list(REASONS)
    best = np.where(units["read"].to_numpy() > 0, names.index("one judge"), names.index("no judge"))
    best[units["enough"].to_numpy()] = names.index("nothing to reject")
    reached = np.full(units.height, -1, dtype=np.int64)
    np.maximum.at(reached, facts["unit"], facts["stage"])
    best = np.where(reached >= 0, reached, best)
    done = facts["unit"][at]
    best[done[~stay & longer]] = names.index("mean length")
    best[done[~stay & ~longer]] = names.index("balance")
    paired = np.zeros(units.height, dtype=bool)
    paired[done[stay]] = True
    found = Counter(names[i] for i in best[~paired])
    return {name: found[name] for name in REASONS if found[name]}


def _table(units: pl.DataFrame, facts: Mapping[str, Any], at: Ints, seen: Judged) -> pl.DataFrame:
    rows = units[facts["unit"][at]]
    chosen, rejected, both = facts["chosen"][at], facts["rejected"][at], facts["both"][at]
    names = np.array(seen.judges, dtype=object)
    wanted = rows.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5)
    return pl.DataFrame(
        {
            **{name: rows[name] for name in ("question_id", "topic", "split", "target_name", *TARGET_COLUMNS)},
            "chosen_id": seen.ids[chosen],
            "rejected_id": seen.ids[rejected],
            "margin": facts["far"][at] - facts["near"][at],
            "strategy": rows["strategy"],
            "distance_chosen": facts["near"][at],
            "distance_rejected": facts["far"][at],
            "similarity_chosen": seen.similarity(chosen, both, wanted),
            "similarity_rejected": seen.similarity(rejected, both, wanted),
            "judges": [list(names[flags]) for flags in both],
        },
        schema=PAIRS,
    )


def check_pairs(pairs: pl.DataFrame, answers: pl.DataFrame, readings: pl.DataFrame) -> None:
    """Raise DataError unless each pair is of answers to its question, the chosen one nearer by the judges it names.

    What is read today counts, not what the table says of its distances: exchanged columns are found.
    """
    seen = judged(answers, readings, sorted({name for names in pairs["judges"].to_list() for name in names}), least=1)
    where = {name: at for at, name in enumerate(seen.ids.tolist())}
    lost = [name for column in ("chosen_id", "rejected_id") for name in pairs[column].to_list() if name not in where]
    if lost:
        raise DataError(f"{len(lost):,} answers of pairs are not there, such as {lost[0]!r}", hint=_AGAIN)
    chosen, rejected = (
        np.array([where[name] for name in pairs[column].to_list()], dtype=np.int64)
        for column in ("chosen_id", "rejected_id")
    )
    asked = seen.answers["question_id"].to_numpy()
    strange = (asked[chosen] != asked[rejected]) | (asked[chosen] != pairs["question_id"].to_numpy())
    if strange.any():
        raise DataError(f"{int(strange.sum()):,} pairs hold answers to different questions", hint=_AGAIN)
    both = np.array([[name in names for name in seen.judges] for names in pairs["judges"].to_list()], dtype=bool)
    both = both.reshape(len(chosen), len(seen.judges)) & seen.read[chosen] & seen.read[rejected]
    wanted = z_from_percentile(pairs.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5))
    near, far = (mahalanobis(_mean(seen.z[i], both), wanted) for i in (chosen, rejected))
    wrong = int((~(near < far)).sum())
    if wrong:
        raise DataError(
            f"in {wrong:,} of {len(near):,} pairs the chosen answer is not the nearer one to its target: chosen and "
            "rejected are exchanged, or the readings have changed",
            hint=_AGAIN,
        )


_AGAIN = "make the pairs again with `cityfolk pair DIR`"


def coverage(pairs: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many pairs there are by corner (all 32), by trait direction, by target and by strategy.

    A percentile of exactly .5 counts as high in the corners and has no direction.
    """
    targets = pairs.select(TARGET_COLUMNS).to_numpy().astype(np.float64).reshape(-1, 5)
    counts = np.bincount(corners(targets), minlength=32)
    sides: dict[str, int] = {}
    for position, trait in enumerate(TRAITS):
        sides[f"low {trait}"] = int((targets[:, position] < 0.5).sum())
        sides[f"high {trait}"] = int((targets[:, position] > 0.5).sum())
    by = {
        column: dict(sorted(Counter(pairs[column].to_list()).items()))
        for column in ("target_name", "strategy", "split")
    }
    return {
        "corners": dict(zip(CORNERS, map(int, counts), strict=True)),
        "directions": sides,
        "targets": by["target_name"],
        "strategies": by["strategy"],
        "splits": by["split"],
    }
