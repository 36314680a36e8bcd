"""The part "cost" of control: neutral text under the ten poles and with adapters, requests that ought to be declined.

Whether a reply declines is told by rules, and by an engine where one is asked (`control_refusals`); whether it is toxic
by a classifier that is named when the study is measured.

Text is measured by teacher forcing, which engines in this process allow; for others the study says that it can't be.
An engine that was trained for its own tasks alone (the embedded model) is not asked for what it never learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    toxicity_findings,
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
from cityfolk.evaluation.feeling.classifiers import Classifier, load_classifier
from cityfolk.pocket.answering import base_z, write_answer
from cityfolk.preferences.answers import parse_answer
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.records import PROMPTED, UNTARGETED
from cityfolk.preferences.topics import topics
from cityfolk.rng import child
from cityfolk.stages import harness
from cityfolk.stages.ask_control import AskOptions, adapter_in, control_questions
from cityfolk.stages.control_estimates import estimated
from cityfolk.stages.control_jobs import Job, Speaker, asking, speakers_of
from cityfolk.stages.control_refusals import (
    base_of,
    judge_of,
    judge_refusals,
    judged_findings,
    plan_judge,
    replies_of,
    values_of,
)
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
    """Say what is asked before anybody is asked; text that is given takes no calls. With a study what is open, too."""
    texts, requests = SIZES[options.preset]
    asked = [name for name in options.engines if not name.startswith("pocket")]
    personas = sum(1 for name in asked if options.persona and adapter_in(name))
    replies = 2 * requests * (personas + (len(asked) - personas) * (1 + len(poles())))
    words = (
        f"{texts} neutral texts given to engines in this process, and {requests} harmful requests with as many "
        "harmless twins, each without a request and at the ten poles"
    )
    if options.refusal_judge:
        words += f"; {options.refusal_judge} says of each reply whether it declines"
    if options.preset == "full":
        words += "; what lm-evaluation-harness asks where it is installed is not counted"
    calls = replies * (2 if options.refusal_judge else 1)
    told: dict[str, Any] = {"calls": calls, "words": words}
    if study is not None:
        speakers, seed = [one for one in speakers_of(options) if not _trained_alone(one)], study.seed(options.seed)
        stream = partial(_requests, count=requests, seed=seed)
        told["asked"] = [
            estimated(study, speakers, lambda one: (request for *_, request in stream(one)), stage=VERB, prompt=PROMPTS)
        ]
        if options.refusal_judge and replies:
            told["asked"].append(plan_judge(options, study, replies, {one.model for one in speakers}))
    return told


def _trained_alone(speaker: Speaker) -> bool:
    return getattr(speaker.engine, "tasks", None) is not None


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Measure and ask everything: costs.parquet, beside what was measured earlier; then have replies judged."""
    texts, requests = SIZES[options.preset]
    seed, speakers = study.seed(options.seed), speakers_of(options)
    if options.refusal_judge:
        judge_of(options)  # a wrong name is told before anybody is asked
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
            if _trained_alone(speaker):
                notices.append(f"{speaker.label}: trained for its own tasks alone, so it is not asked what to decline")
            else:
                rows += _replies(job, speaker, requests, seed)
        whole = job.keep(TABLE, pl.DataFrame(rows, schema=COSTS), _ID, _ID)
        notices += _knowledge(study, options, speakers)
        done = job.conclude(notices, rows=whole.height)
    if options.refusal_judge:
        done["notices"] = [*done["notices"], *judge_refusals(study, options, whole, step)]
    return done


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


def _requests(speaker: Speaker, count: int, seed: int) -> Iterator[tuple[str, BigFive | None, str, str, Request]]:
    """Yield (pole, vector, kind, id, request) of everything that one speaker is asked."""
    sampling = Sampling(temperature=0.0, max_tokens=MAX_TOKENS, seed=seed)
    for pole, vector in _arms(speaker):
        for pair in pairs()[:count]:
            for kind in (HARMFUL, HARMLESS):
                messages = request_messages(getattr(pair, kind), vector)
                label = f"{pair.id} {kind} {pole}"
                yield (
                    pole,
                    vector,
                    kind,
                    pair.id,
                    Request(messages=messages, model=speaker.model, sampling=sampling, label=label),
                )


def _replies(job: Job, speaker: Speaker, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Make all requests of one speaker and yield a row each reply."""
    made = list(_requests(speaker, count, seed))
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


def evidence(study: Study, *, step: Step = quiet, classifiers: Sequence[Classifier | str] = ()) -> list[Finding]:
    """Return the findings `control.cost.`.

    Of `classifiers`, loaded ones or names, those of toxicity read the replies; without one nothing is said of it.
    """
    loaded = [load_classifier(one) if isinstance(one, str) else one for one in classifiers]
    table, seed = study.read(TABLE).sort(_ID), study.config(VERB)["seed"]
    found: list[Finding] = []
    parts = table.partition_by("model", "condition", "pole", "kind", as_dict=True, maintain_order=True)
    for (model, condition, pole, kind), part in parts.items():
        source = f"{model}|{condition}"
        if kind in (TEXT, GRAMMAR):
            loss, moved, tokens = (
                np.asarray(part[name].cast(pl.Float64).to_numpy()) for name in ("loss", "divergence", "tokens")
            )
            found += text_findings(loss, moved, tokens, str(pole), source, seed, NEUTRAL if kind == TEXT else GRAMMAR)
            continue
        declined, plain = values_of(part, "declined"), base_of(replies_of(table), part, "declined")
        found.append(refusal_findings(np.array([*declined.values()]), str(kind), str(pole), source))
        both = [(one, plain[name]) for name, one in declined.items() if name in plain]
        if kind == HARMFUL and condition != UNTARGETED and len(both) > 1:
            found.append(change_finding([one for one, _ in both], [other for _, other in both], str(pole), source))
    found += judged_findings(study, table)
    for one in loaded:
        if one.reads == "toxicity":
            found += _toxicity(replies_of(table), one, step)
    if study.has(KNOWLEDGE):
        for row in study.read(KNOWLEDGE).iter_rows(named=True):
            score = harness.Score(**{name: row[name] for name in ("task", "metric", "value", "error", "n")})
            found += harness.score_findings([score], row["model"], row["condition"])
    return found


def _toxicity(replies: pl.DataFrame, classifier: Classifier, step: Step) -> Iterator[Finding]:
    """Yield what a classifier finds toxic, pole by pole."""
    step(f"evaluate cost, read by {classifier.name}", 0, replies.height, "")
    read = replies.with_columns(toxic=pl.Series(classifier.scores(replies["text"].to_list()), dtype=pl.Float64))
    step(f"evaluate cost, read by {classifier.name}", replies.height, replies.height, "")
    for (model, condition, pole), part in read.partition_by(
        "model", "condition", "pole", as_dict=True, maintain_order=True
    ).items():
        base: Mapping[str, float] = {} if condition == UNTARGETED else base_of(read, part, "toxic")
        own = values_of(part, "toxic")
        yield from toxicity_findings(own, base, str(pole), f"{model}|{condition}", classifier.name)
