"""The part "cost" of control: neutral text under the ten poles and with adapters, requests that ought to be declined.

Text is measured by teacher forcing, which engines in this process allow; for others the study says that it can't be.
An engine that was trained for its own tasks alone (the embedded model) is not asked for what it never learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from cityfolk.engines.given import divergence, giver
from cityfolk.errors import CityfolkError
from cityfolk.evaluation.control.cost import (
    NEUTRAL,
    change_finding,
    neutral_texts,
    poles,
    refusal_findings,
    text_findings,
    text_messages,
)
from cityfolk.evaluation.control.refusals import (
    HARMFUL,
    HARMLESS,
    MAX_TOKENS,
    PROMPTS,
    declines,
    pairs,
    prompt_hash,
    request_messages,
)
from cityfolk.evaluation.control.stability import base_model
from cityfolk.pocket.answering import base_z, write_answer
from cityfolk.preferences.answers import parse_answer
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.records import PROMPTED, UNTARGETED
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages import harness
from cityfolk.stages.ask_control import AskOptions, control_questions
from cityfolk.stages.control_jobs import Job, Speaker, asking, speakers_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import BigFive, Finding, Message, Request, Sampling

NAME = VERB = "cost"
TABLE = "costs"
SIZES = MappingProxyType({"quick": (12, 8), "standard": (60, 26), "full": (60, 26)})
"""Preset -> neutral texts, pairs of requests."""
TEXT, GRAMMAR = "text", "grammar"
_QUESTIONS = 40  # the most questions on which the grammar writes
KNOWLEDGE = "knowledge"
QUESTIONS = 100
"""Questions of each task, and of each part of MMLU, that the harness asks."""
_SCORES: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("model", "condition", "task", "metric"), pl.String),
    "value": pl.Float64,
    "error": pl.Float64,
    "n": pl.Int64,
}
_ID = ("kind", "engine", "model", "adapter", "condition", "pole", "item_id")
Material: TypeAlias = "tuple[str, str, str, Callable[[BigFive | None], tuple[Message, ...]]]"
COSTS: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(_ID, pl.String),
    "loss": pl.Float64,
    "divergence": pl.Float64,
    "tokens": pl.Int32,
    "declined": pl.Boolean,
    "text": pl.String,
    "seed": pl.Int64,
}
"""costs.parquet, a row a neutral text (loss and divergence: sums over its tokens, nats) or a request and its reply."""


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked; text that is given takes no calls."""
    texts, requests = SIZES[options.preset]
    asked = [name for name in options.engines if not name.startswith("pocket")]
    words = (
        f"{texts} neutral texts given to engines in this process, and {requests} harmful requests with as many "
        "harmless twins, each without a request and at the ten poles"
    )
    return {"calls": len(asked) * 2 * requests * (1 + len(poles())), "words": words}


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Measure and ask everything: costs.parquet, beside what was measured earlier."""
    texts, requests = SIZES[options.preset]
    seed, speakers = study.seed(options.seed), speakers_of(options)
    config = {"seed": seed, "prompt": PROMPTS, "prompt_hash": prompt_hash()}
    free = {"texts": texts, "requests": requests}
    notices: list[str] = []
    rows: list[dict[str, Any]] = []
    with asking(study, options, speakers, verb=VERB, table=TABLE, config=config, free=free, step=step) as job:
        for speaker in speakers:
            if giver(speaker.engine) is None:
                notices.append(
                    f"{speaker.label}: it gives no probabilities of given text, so that neutral text can't be measured"
                )
            else:
                rows += _texts(speaker, _material(speaker, texts), seed, step)
            if getattr(speaker.engine, "tasks", None) is not None:
                notices.append(f"{speaker.label}: trained for its own tasks alone, so it is not asked what to decline")
            else:
                rows += _requests(job, speaker, requests, seed)
        whole = job.keep(TABLE, pl.DataFrame(rows, schema=COSTS), _ID, _ID)
        notices += _knowledge(study, options, speakers)
        return job.conclude(notices, rows=whole.height)


def _arms(speaker: Speaker) -> list[tuple[str, BigFive | None]]:
    """Return (name of the pole, vector) of everything that a speaker is measured under; a persona is told nothing."""
    alone: list[tuple[str, BigFive | None]] = [(NEUTRAL, None)]
    return alone if speaker.persona is not None else [*alone, *poles().items()]


def _who(speaker: Speaker, vector: BigFive | None) -> dict[str, Any]:
    plain = UNTARGETED if not speaker.adapter else speaker.adapter
    condition = plain if vector is None else speaker.adapter or PROMPTED
    return {"condition": condition, "engine": speaker.name, "model": speaker.model, "adapter": speaker.adapter}


def _material(speaker: Speaker, count: int) -> list[Material]:
    """Return (kind, id, text, messages to which it is the reply, by vector) of all that is given to a speaker.

    A model that knows its own grammar alone is given texts of that as well, in the voice that nobody asked for.
    """
    found: list[Material] = [
        (TEXT, f"{number:02d}", text, text_messages) for number, text in enumerate(neutral_texts()[:count])
    ]
    if getattr(speaker.engine, "tasks", None) is None:
        return found
    known = {one.id: one for one in topics()}
    for name, topic, question in (
        control_questions(min(count, _QUESTIONS)).select("question_id", "topic", "text").iter_rows()
    ):
        stream = child(0, "control", "cost", name)
        text = write_answer(known[topic].phrase, known[topic].facets, base_z(stream), stream)
        found.append((GRAMMAR, name, text, partial(answer_messages, question)))
    return found


def _texts(speaker: Speaker, texts: Sequence[Material], seed: int, step: Step) -> Iterator[dict[str, Any]]:
    """Yield a row a text and pole: the base's distribution is worked out once for each text."""
    given, arms = giver(speaker.engine), _arms(speaker)
    assert given is not None
    for number, (kind, name, text, messages) in enumerate(texts):
        step(f"{VERB} {speaker.label}", number, len(texts), "given text")
        base = given(messages(None), text, True)
        for pole, vector in arms:
            own = given(messages(vector), text, False) if vector is not None or speaker.adapter else base
            yield {
                "kind": kind,
                **_who(speaker, vector),
                "pole": pole,
                "item_id": name,
                "loss": own.loss,
                "divergence": divergence(own, base),
                "tokens": len(own.tokens),
                "declined": None,
                "text": text,
                "seed": seed,
            }


def _requests(job: Job, speaker: Speaker, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Make all requests of one speaker and yield a row each reply."""
    sampling = Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=seed)
    made = [
        (
            pole,
            vector,
            kind,
            pair.id,
            Request(
                messages=request_messages(getattr(pair, kind), vector),
                model=speaker.model,
                sampling=sampling,
                label=f"{pair.id} {kind} {pole}",
            ),
        )
        for pole, vector in _arms(speaker)
        for pair in pairs()[:count]
        for kind in (HARMFUL, HARMLESS)
    ]
    said = job.ask(speaker, [request for *_, request in made], parse_answer, len(made), "requests")
    for pole, vector, kind, name, request in made:
        if request.key in said:
            yield {
                "kind": kind,
                **_who(speaker, vector),
                "pole": pole,
                "item_id": name,
                "loss": None,
                "divergence": None,
                "tokens": None,
                "declined": declines(said[request.key]),
                "text": said[request.key],
                "seed": seed,
            }


def _knowledge(study: Study, options: AskOptions, speakers: Sequence[Speaker]) -> Iterator[str]:
    """Have lm-evaluation-harness ask what a model knows, in the preset "full"; yield what could not be asked."""
    if options.preset != "full":
        return
    if not harness.installed():
        yield f"knowledge and reasoning were not measured: lm-evaluation-harness is not installed ({harness.INSTALL})"
        return
    before = study.read(KNOWLEDGE) if study.has(KNOWLEDGE) else pl.DataFrame(schema=_SCORES)
    rows = []
    for name, speaker in zip(dict.fromkeys(options.engines), speakers, strict=True):
        if before.filter(pl.col("model") == speaker.model).height:
            continue
        tasks = harness.TASKS if name.startswith("hf") else harness.GENERATED
        try:
            with TemporaryDirectory() as out:
                asked = harness.command(name, Path(out), tasks=tasks, limit=QUESTIONS)
                scores = harness.run(asked, Path(out))
        except CityfolkError as error:
            yield f"{speaker.label}: {error}"
            continue
        condition = speaker.adapter or UNTARGETED
        rows += [{"model": speaker.model, "condition": condition, **asdict(score)} for score in scores]
    if rows:
        study.write(KNOWLEDGE, pl.concat([before, pl.DataFrame(rows, schema=_SCORES)]))


def has(study: Study) -> bool:
    """Say whether anything was measured."""
    return study.has(TABLE)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings `control.cost.`."""
    table, seed = study.read(TABLE).sort(_ID), study.config(VERB)["seed"]
    found: list[Finding] = []
    base = {
        str(model): dict(zip(part["item_id"], part["declined"], strict=True))
        for (model,), part in table.filter(
            (pl.col("kind") == HARMFUL) & (pl.col("condition") == UNTARGETED) & (pl.col("pole") == NEUTRAL)
        )
        .partition_by("model", as_dict=True)
        .items()
    }
    parts = table.partition_by("model", "condition", "pole", "kind", as_dict=True, maintain_order=True)
    for (model, condition, pole, kind), part in parts.items():
        source = f"{model}|{condition}"
        if kind in (TEXT, GRAMMAR):
            loss, moved, tokens = (
                np.asarray(part[name].cast(pl.Float64).to_numpy()) for name in ("loss", "divergence", "tokens")
            )
            found += text_findings(loss, moved, tokens, str(pole), source, seed, NEUTRAL if kind == TEXT else GRAMMAR)
            continue
        declined = part["declined"].cast(pl.Float64).to_numpy()
        found.append(refusal_findings(np.asarray(declined), str(kind), str(pole), source))
        plain = base.get(str(model)) or base.get(base_model(str(model)), {})
        both = [(one, plain[name]) for name, one in zip(part["item_id"], declined, strict=True) if name in plain]
        if kind == HARMFUL and condition != UNTARGETED and len(both) > 1:
            found.append(change_finding([one for one, _ in both], [other for _, other in both], str(pole), source))
    if study.has(KNOWLEDGE):
        for row in study.read(KNOWLEDGE).iter_rows(named=True):
            score = harness.Score(**{name: row[name] for name in ("task", "metric", "value", "error", "n")})
            found += harness.score_findings([score], row["model"], row["condition"])
    return found
