"""How far adapters of the embedded model reach, beside its prompt alone and beside imitation (SFT).

    python benchmarks/steering.py [--study DIR] [--only Diplomat vectors] [--json]

The whole road, each step taken up where an earlier run was stopped: questions on all topics, answers under the four
archetypes, 32 vectors and none, two judges, pairs; then for every archetype and for vectors one adapter by DPO and one
by SFT, with the recipe that ships; then what they say on held-out topics, in questions that no training has looked at.

An archetype's adapter is asked without a word of personality. "closed" is 1 - |tuned - target| / |untuned - target| in
percentiles, where target and untuned answers differ by .15 or more; "off" is |tuned - target| elsewhere. By the grammar
the target is the target; by the shipped rater it is what the rater reads in the grammar's own text at the target.

The vector adapter gets 64 vectors that no pair was made for, 20 questions each, in the wording that the model was made
with and in two that no recipe trains on. Slope and Spearman's rho are of means over the 20 questions, in z-scores.

The embedded model writes in one grammar that it was trained on: what is shown here is that training moves what it
should and how much is left, not how far a model of eight billion parameters would move.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from cityfolk.engines.pocket import PocketEngine
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.targets import Target, sobol
from cityfolk.stages import (
    AnswerOptions,
    JudgeOptions,
    PairOptions,
    QuestionOptions,
    TrainOptions,
    answer_questions,
    ask_for_questions,
    judge_answers,
    pair_answers,
    train_adapter,
)
from cityfolk.stages.train_control import Asked, as_rated, closed, dial, read_by_grammar, read_by_rater
from cityfolk.study.folder import Study
from cityfolk.types import BigFive, Message, Request, Sampling
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
A_TOPIC = 5  # questions; the first is for training and for choosing checkpoints, the last four are for measuring
VECTORS, EACH = 64, 20
WORDINGS = ("levels", "ahead", "among")
READERS = {"grammar": read_by_grammar, "rater": read_by_rater}
SAMPLING = Sampling(temperature=0.8, max_tokens=220, seed=99)


def make_pairs(study: Study) -> None:
    """Ask, answer, judge and pair; what is there is not asked again."""
    ask_for_questions(study, QuestionOptions(n=A_TOPIC), step=told)
    for split, limit in (("train", 340), ("held-out", 40)):
        for targets, samples in ((("archetypes", "none"), 2), (("sobol:32",), 1)):
            options = AnswerOptions(targets=targets, samples=samples, split=split, limit=limit)
            answer_questions(study, options, step=told)
    judge_answers(study, JudgeOptions(judges=("rater", "lexicon")), step=told)
    for persona in ARCHETYPES:
        pair_answers(study, PairOptions(name=persona, targets=(persona,)), step=told)
    pair_answers(study, PairOptions(name="vectors", vectors=True), step=told)


def has_pairs(study: Study) -> bool:
    """Say whether every table of pairs is there: a run that was stopped may have left some of them."""
    return {f"pairs/{name}" for name in (*ARCHETYPES, "vectors")} <= set(study.tables_in("pairs"))


def trained(study: Study, what: str, objective: str) -> tuple[Path, dict[str, Any]]:
    """Train one adapter, or find that it was trained."""
    kind = {"vectors": True} if what == "vectors" else {"persona": what}
    done = train_adapter(study, TrainOptions(**kind, objective=objective), step=told)
    return Path(done["adapter"]), done


def said(engine: PocketEngine, asked: Sequence[tuple[Message, ...]]) -> list[str]:
    """Return what an engine answers, in order."""
    requests = [Request(messages=messages, model=engine.model, sampling=SAMPLING) for messages in asked]
    replies = {key: reply.text for key, reply in engine.generate(iter(requests))}
    return [replies[request.key] for request in requests]


def measured_questions(study: Study) -> list[Asked]:
    """Return the held-out questions that no training looks at, a topic after the other."""
    held = study.read("questions").filter(pl.col("split") == "held-out").sort("question_id")
    later = held.filter(pl.int_range(pl.len()).over("topic") >= 1)
    nobody = Target(name="", vector=BigFive(**dict.fromkeys(TRAITS, 0.5)))
    ranked = later.with_columns(rank=pl.int_range(pl.len()).over("topic")).sort("rank", "question_id")
    rows = ranked.select("question_id", "text", "topic").iter_rows()
    return [Asked(id=name, question=text, topic=topic, target=nobody) for name, text, topic in rows]


# -- one personality ---------------------------------------------------------------------------------------------------


def persona_rows(persona: str, asked: Sequence[Asked], adapters: dict[str, Path], untuned: list[str]) -> list[dict]:
    """Return a row for each condition, reader and trait."""
    target = np.array([value for _, value in ARCHETYPES[persona].items()])
    aims = {"grammar": target, "rater": as_rated(asked, target, 0)}
    texts = {"prompt": said(PocketEngine(), [answer_messages(one.question, ARCHETYPES[persona]) for one in asked])}
    plain = [answer_messages(one.question, None) for one in asked]
    texts |= {name: said(PocketEngine(f"+{folder}"), plain) for name, folder in adapters.items()}
    rows = []
    for reader, read in READERS.items():
        before = read(untuned)
        for condition, answers in texts.items():
            now = read(answers)
            shares = closed(now, before, aims[reader])
            for trait, share, *values in zip(TRAITS, shares.values(), aims[reader], before, now, strict=True):
                aim, was, found = (float(value) for value in values)
                left = None if share is not None else abs(found - aim)
                rows.append(
                    {"of": persona, "by": condition, "reader": reader, "trait": trait, "target": aim, "untuned": was,
                     "tuned": found, "closed": share, "off": left}
                )  # fmt: skip
    return rows


# -- any vector --------------------------------------------------------------------------------------------------------


def vector_rows(asked: Sequence[Asked], adapters: dict[str, Path]) -> list[dict]:
    """Return a row for each wording, condition, reader and trait."""
    vectors = [target.vector for target in sobol(VECTORS, 1_000_003)]
    wanted = ndtri(np.array([[value for _, value in vector.items()] for vector in vectors if vector]))
    questions = [asked[(EACH * v + q) % len(asked)].question for v in range(VECTORS) for q in range(EACH)]
    engines = {"prompt": PocketEngine()} | {name: PocketEngine(f"+{folder}") for name, folder in adapters.items()}
    rows = []
    for wording in WORDINGS:
        messages = [
            answer_messages(question, vectors[place // EACH], wording) for place, question in enumerate(questions)
        ]
        for condition, engine in engines.items():
            texts = said(engine, messages)
            for reader, read in READERS.items():
                found = np.array([ndtri(read(texts[EACH * v : EACH * (v + 1)])) for v in range(VECTORS)])
                slopes, rhos = dial(found, wanted)
                rows += [
                    {"of": wording, "by": condition, "reader": reader, "trait": trait, "slope": slopes[trait],
                     "rho": rhos[trait]}
                    for trait in TRAITS
                ]  # fmt: skip
    return rows


# -- telling -----------------------------------------------------------------------------------------------------------

_last = [0.0]


def told(title: str, done: int, total: int, rate: str) -> None:
    """Show progress, a line in ten seconds."""
    if time.monotonic() - _last[0] > 10:
        _last[0] = time.monotonic()
        print(f"  {title}: {done:,} of {total:,} {rate}", flush=True)


def table(rows: list[dict], measures: Sequence[str]) -> None:
    """Print one line for each thing, condition and reader, with its measures by trait."""
    heads = "".join(f"{trait[:13]:>{14 * len(measures)}}" for trait in TRAITS)
    print(f"\n{'':<36}{heads}\n{'':<36}" + "".join(f"{name:>14}" for _ in TRAITS for name in measures))
    for key in dict.fromkeys((row["of"], row["by"], row["reader"]) for row in rows):
        own = [row for row in rows if (row["of"], row["by"], row["reader"]) == key]
        cells = "".join(f"{_number(row[name]):>14}" for row in own for name in measures)
        print(f"{key[0]:<12}{key[1]:<8}by {key[2]:<13}{cells}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def main() -> None:
    """Make, train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("steering"), help="the folder in which all of it is kept")
    parser.add_argument("--only", nargs="*", default=[*ARCHETYPES, "vectors"], help="archetypes, vectors")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    args = parser.parse_args()
    with Study.open(args.study, create=True) as study:
        if not has_pairs(study):
            make_pairs(study)
        asked, rows = measured_questions(study), []
        untuned = said(PocketEngine(), [answer_messages(one.question, None) for one in asked])
        for what in args.only:
            adapters = {}
            for objective in ("dpo", "sft"):
                adapters[objective], done = trained(study, what, objective)
                print(
                    f"{what} {objective}: step {done['best_step']:,} of {done['steps']:,} kept, {done['seconds']:,.0f} "
                    f"s, {done['pairs']['train']:,} pairs, stopped by {done['stopped_by']}",
                    flush=True,
                )
            found = vector_rows(asked, adapters) if what == "vectors" else persona_rows(what, asked, adapters, untuned)
            if not args.json:
                table(found, ("slope", "rho") if what == "vectors" else ("closed", "off"))
            rows += found
        if args.json:
            print(json.dumps(rows))


if __name__ == "__main__":
    main()
