"""`pair`: answers that judges have read become pairs of chosen and rejected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from cityfolk.errors import IncompleteError, StudyError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.personality.nearness import CORRELATIONS
from cityfolk.preferences.balance import BalanceRules
from cityfolk.preferences.judging.family import shared_features
from cityfolk.preferences.judging.scale import scale_of
from cityfolk.preferences.pairs import DEFAULT, REASONS, PairRules, PairsMade, coverage, make_pairs
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study

VERB = "pair"
FOLDER = "pairs"


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """What `pair` is asked for. `targets` and `judges` empty: all; `vectors`: every target that is no archetype.

    `name` "" is made of what is chosen: "all", "vectors", or the targets' names.
    """

    name: str = ""
    strategies: Sequence[str] = DEFAULT
    margin: float = 0.5
    ratio: float = 1.5
    reuse: int = 4
    tilt: float = 3.0
    balance: bool = True
    targets: Sequence[str] = ()
    vectors: bool = False
    judges: Sequence[str] = ()
    split: str = "all"

    @property
    def rules(self) -> PairRules:
        """What a pair must be."""
        return PairRules(
            strategies=tuple(dict.fromkeys(self.strategies)),
            margin=self.margin,
            ratio=self.ratio,
            reuse=self.reuse,
            balance=BalanceRules(tilt=self.tilt) if self.balance else None,
        )

    @property
    def table(self) -> str:
        """The table's name in the study: "pairs/NAME"."""
        name = self.name or ("vectors" if self.vectors else "-".join(self.targets)) or "all"
        if not _NAME.fullmatch(name):
            raise UsageError(f"pairs cannot be named {name!r}", hint="a name is letters, digits, dots and dashes")
        return f"{FOLDER}/{name}"


_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(slots=True)
class _Tables:
    questions: pl.DataFrame
    answers: pl.DataFrame
    readings: pl.DataFrame
    targets: list[str]


def pair_answers(study: Study, options: PairOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Make pairs/NAME.parquet and return the account of it: how many, of what, and why others are missing.

    The same name with other options is refused (StudyError); new answers and readings may come. Raises DataError where
    a topic is in both splits, IncompleteError where no pair is found.
    """
    rules, table = options.rules, options.table
    tables = _read(study, options)
    step(VERB, 0, 1, "")
    made = make_pairs(
        tables.questions,
        tables.answers,
        tables.readings,
        rules,
        judges=options.judges,
        targets=tables.targets,
        split=options.split,
    )
    account = _account(made, tables)
    if made.table.is_empty():
        raise IncompleteError(
            f"none of {made.asked:,} possible pairs meets the rules: {_reasons(made)}",
            hint="ask for more samples of each answer, another judge, another --strategy or a smaller --margin",
        )
    _begin(study, table, options, rules)
    study.work(f"{VERB} {table}")
    about = {"cityfolk.pairs": f"Mahalanobis distance of z-scores; {CORRELATIONS}"}
    study.write(table, made.table, metadata=about)
    study.finish(f"{VERB} {table}", **account)
    step(VERB, 1, 1, "")
    return {"table": table, "name": table.removeprefix(f"{FOLDER}/"), **account}


def _read(study: Study, options: PairOptions) -> _Tables:
    questions, answers, readings = (study.read(name) for name in ("questions", "answers", "readings"))
    tables = _Tables(questions, answers, readings, list(dict.fromkeys(options.targets)))
    if options.vectors:
        if tables.targets:
            raise UsageError("--persona and --vectors cannot both be asked for", hint="leave one of them out")
        named = tables.answers["target_name"].unique().to_list()
        tables.targets = sorted(name for name in named if name and name not in ARCHETYPES)
        if not tables.targets:
            raise UsageError(
                f"the answers of {study.folder} were made under no vector but the archetypes'",
                hint="have some made: `cityfolk answer DIR --targets sobol:32`",
            )
    return tables


def _begin(study: Study, table: str, options: PairOptions, rules: PairRules) -> None:
    asked = {
        **asdict(rules),
        "targets": sorted(options.targets),
        "vectors": options.vectors,
        "judges_named": sorted(options.judges),
        "split": options.split,
    }
    try:
        study.begin(f"{VERB} {table}", asked, fresh=not study.has(table))
    except StudyError as error:
        raise StudyError(
            str(error), hint="give these pairs a --name of their own, or repeat the earlier options"
        ) from error


def _account(made: PairsMade, tables: _Tables) -> dict[str, Any]:
    pairs = made.table
    own = tables.readings.filter(pl.col("judge").is_in(made.judges))
    partial = own.filter(pl.col("same_family").fill_null(False))["judge"].unique().sort().to_list()
    words = float(np.exp(made.log_ratio.mean())) if len(made.log_ratio) else None
    return {
        "pairs": pairs.height,
        "asked": made.asked,
        "missing": dict(made.missing),
        "questions": pairs["question_id"].n_unique(),
        "topics": pairs["topic"].n_unique(),
        **coverage(pairs),
        "mean_margin": pairs["margin"].mean(),
        "words_ratio": words,
        "judges": list(made.judges),
        "scales": scale_of(own),
        "same_family": partial,
        "notices": [said] if (said := shared_features(made.judges)) else [],
        "distance": f"Mahalanobis of z-scores; {CORRELATIONS}",
    }


def _reasons(made: PairsMade) -> str:
    return "; ".join(f"{count:,}: {REASONS[name]}" for name, count in made.missing.items()) or "there are no answers"
