"""The part "stability" of control: a personality over 20 turns, over wordings of the request, temperatures and draws.

In a conversation every answer stays in the messages, and every third turn is small talk. What no longer fits is left
out from the oldest turn on, as `cityfolk ask` does it (1,900 characters for the embedded model, 24,000 for others); the
description of the personality stays at the front.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cityfolk.evaluation.adapted import of_base
from cityfolk.evaluation.control.stability import (
    SMALL_TALK,
    TURNS,
    Crossed,
    Talks,
    asked_turns,
    conversation_findings,
    form_findings,
    question_at,
    voice_of,
)
from cityfolk.personality.reference import z_from_percentile
from cityfolk.preferences.answers import MAX_TOKENS, parse_answer
from cityfolk.preferences.judging.base import Item, Judge
from cityfolk.preferences.judging.registry import kind_of, load_judge
from cityfolk.preferences.prompts import ANSWER, answer_messages, answer_prompt_hash, wordings_hash
from cityfolk.preferences.records import TARGET_COLUMNS, UNTARGETED
from cityfolk.preferences.targets import UNTARGETED as NOBODY
from cityfolk.preferences.targets import Target, parse_targets
from cityfolk.profiles.conversation import LEFT_OUT, LIMIT_CHARACTERS
from cityfolk.profiles.guidance import form_for
from cityfolk.stages.ask_control import AskOptions, adapter_in, control_questions
from cityfolk.stages.asked import SENTENCES
from cityfolk.stages.control_estimates import estimated
from cityfolk.stages.control_jobs import Job, Speaker, asking, speakers_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import BigFive, Finding, Message, Request, Sampling, content_key

Floats = NDArray[np.float64]
NAME = TABLE = VERB = "stability"
WORDINGS = ("levels", "adjectives", "numbers", "sentences")
"""How a request is told, of `personality.words.WORDINGS`: the way of all other requests first."""
TEMPERATURES = (0.3, 0.7, 1.0)
TALK_TEMPERATURE = 0.7
TALK, FORM = "conversation", "form"
MOST_GAPS = 0.1
VOICES = 2
"""Conversations without a request: every move is counted from their mean."""
_ID = (
    *("kind", "engine", "model", "adapter", "condition", "respondent_id", "conversation", "turn", "question_id"),
    *("wording", "temperature", "sample"),
)
STABILITY: dict[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "respondent_id": pl.String,
    "condition": pl.String,
    **dict.fromkeys(TARGET_COLUMNS, pl.Float64),
    "engine": pl.String,
    "model": pl.String,
    "adapter": pl.String,
    "conversation": pl.Int16,
    "turn": pl.Int16,
    "left_out": pl.Int16,
    "question_id": pl.String,
    "wording": pl.String,
    "temperature": pl.Float64,
    "sample": pl.Int16,
    "text": pl.String,
    "prompt_hash": pl.String,
    "seed": pl.Int64,
}
"""stability.parquet: turns of conversations (question_id "small-talk" where none is asked), and answers by form."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many conversations; and vectors, questions and draws of the crossed design."""

    talks: int
    vectors: int
    questions: int
    draws: int

    @property
    def forms(self) -> int:
        """Answers of the crossed design."""
        return self.vectors * self.questions * len(WORDINGS) * len(TEMPERATURES) * self.draws


SIZES = MappingProxyType({"quick": Size(4, 4, 2, 2), "standard": Size(16, 8, 4, 2), "full": Size(32, 16, 6, 3)})


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked; with a study also what is open, tokens and cost."""
    size = SIZES[options.preset]
    personas = sum(1 for name in options.engines if options.persona and adapter_in(name))
    others = len(options.engines) - personas
    talks = personas * size.talks + others * (size.talks + VOICES)
    words = (
        f"{talks:,} conversations of {TURNS} turns; {size.vectors} personalities on {size.questions} questions in "
        f"{len(WORDINGS)} wordings of the request, at {len(TEMPERATURES)} temperatures, {size.draws} times each; read "
        f"by {' and '.join(_readers(options))}, who need no calls"
    )
    told: dict[str, Any] = {"calls": talks * TURNS + others * size.forms, "words": words}
    if study is not None:
        asked = partial(_foreseen, study, size, study.seed(options.seed))
        told["asked"] = [estimated(study, speakers_of(options), asked, stage=VERB, prompt=ANSWER)]
    return told


def _foreseen(study: Study, size: Size, seed: int, speaker: Speaker) -> Iterator[Request]:
    """Yield what one speaker will be asked; turns whose earlier answers are not there yet go on from usual ones."""
    targets = parse_targets((f"sobol:{max(size.talks, size.vectors)}",), None, seed)
    questions, texts = _questions(), [text for _, text in _questions()]
    done = study.journal.settled(VERB)[0] if (study.folder / JOURNAL).exists() else {}
    for number, (name, vector, told) in enumerate(_talks(speaker, targets[: size.talks])):
        history: list[tuple[str, str]] = []
        for turn in range(1, TURNS + 1):
            question, _ = question_at(turn, number, texts)
            messages, _ = talk_messages(history, question, vector if told else None, speaker.model)
            sampling = Sampling(temperature=TALK_TEMPERATURE, max_tokens=MAX_TOKENS, seed=seed, sample=number)
            request = Request(messages=messages, model=speaker.model, sampling=sampling, label=f"{name} turn {turn}")
            row = done.get(int(request.key, 16))
            history.append((question, SENTENCES if row is None else parse_answer(request, study.journal.reply(row))))
            yield request
    if speaker.persona is None:
        vectors, some = targets[: size.vectors], questions[: size.questions]
        for *_, request in _form_requests(speaker, vectors, some, size.draws, seed):
            yield request


def _readers(options: AskOptions) -> list[str]:
    """Return who reads: those of the judges that read in process and have percentiles."""
    named = [name for name in options.readers if name != "lexicon" and kind_of(name) == "local"]
    return named or ["rater"]


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine talk, and answer in every form: stability.parquet, beside what was asked for earlier."""
    size, seed = SIZES[options.preset], study.seed(options.seed)
    targets = parse_targets((f"sobol:{max(size.talks, size.vectors)}",), None, seed)
    questions = _questions()
    speakers = speakers_of(options)
    config = {"seed": seed, "prompt": ANSWER, "prompt_hash": _prompt_hash()}
    free = {"talks": size.talks, "vectors": size.vectors, "questions": size.questions, "draws": size.draws}
    free_readers = {"readers": _readers(options)}
    rows: list[dict[str, Any]] = []
    with asking(
        study, options, speakers, verb=VERB, table=TABLE, config=config, free=free | free_readers, step=step
    ) as job:
        for speaker in speakers:
            rows += _talk(job, speaker, _talks(speaker, targets[: size.talks]), questions, seed)
            if speaker.persona is None:
                rows += _forms(job, speaker, targets[: size.vectors], questions[: size.questions], size.draws, seed)
        made = pl.DataFrame(rows, schema=STABILITY)
        whole = job.keep(TABLE, made, _ID, _ID)
        lost = made.filter((pl.col("kind") == TALK) & (pl.col("left_out") > 0))
        notices = []
        if lost.height:
            first = lost.group_by("model").agg(pl.col("turn").min()).sort("model")
            notices = [
                f"{model}: from turn {turn} on the oldest turns no longer fit and are left out"
                for model, turn in first.iter_rows()
            ]
        return job.conclude(notices, answers=whole.height)


def _questions() -> list[tuple[str, str]]:
    """Return (id, text) of a question for every turn at which one is asked: the same ones always."""
    table = control_questions(len(asked_turns()))
    return list(zip(table["question_id"].to_list(), table["text"].to_list(), strict=True))


def _prompt_hash() -> str:
    return content_key([answer_prompt_hash(), wordings_hash(WORDINGS), list(SMALL_TALK), LEFT_OUT, TURNS])


# ------------------------------------------------------------------------------------------------------- conversations


def _talks(speaker: Speaker, targets: Sequence[Target]) -> list[tuple[str, BigFive | None, bool]]:
    """Return (name, vector, whether it is told) of each conversation of a speaker, its number being its place."""
    if speaker.persona is not None:
        return [(speaker.persona.name, speaker.persona.vector, False)] * len(targets)
    asked: list[tuple[str, BigFive | None, bool]] = [(one.name, one.vector, True) for one in targets]
    return [*asked, *[(NOBODY.name or UNTARGETED, None, True)] * VOICES]


def _talk(
    job: Job,
    speaker: Speaker,
    talks: Sequence[tuple[str, BigFive | None, bool]],
    questions: Sequence[tuple[str, str]],
    seed: int,
) -> list[dict[str, Any]]:
    """Have all conversations of one speaker, a turn of each at a time; return their rows."""
    history: list[list[tuple[str, str]]] = [[] for _ in talks]
    ids, texts = {text: name for name, text in questions}, [text for _, text in questions]
    rows: list[dict[str, Any]] = []
    for turn in range(1, TURNS + 1):
        asked: dict[str, list[tuple[int, str, int]]] = {}
        requests: list[Request] = []
        for number, (name, vector, told) in enumerate(talks):
            question, _ = question_at(turn, number, texts)
            messages, dropped = talk_messages(history[number], question, vector if told else None, speaker.model)
            sampling = Sampling(temperature=TALK_TEMPERATURE, max_tokens=MAX_TOKENS, seed=seed, sample=number)
            label = f"{name} conversation {number} turn {turn}"
            request = Request(messages=messages, model=speaker.model, sampling=sampling, label=label)
            asked.setdefault(request.key, []).append((number, question, dropped))
            requests.append(request)
        said = job.ask(speaker, requests, parse_answer, len(requests), f"turn {turn}")
        for key, text in said.items():
            for number, question, dropped in asked[key]:
                history[number].append((question, text))
                name, vector, _ = talks[number]
                who = {"respondent_id": name, "vector": vector}
                known = ids.get(question, "small-talk")
                place = {"conversation": number, "turn": turn, "left_out": dropped, "question_id": known}
                rows.append(_row(speaker, TALK, who, place, WORDINGS[0], TALK_TEMPERATURE, 0, text, seed))
    return rows


def talk_messages(
    history: Sequence[tuple[str, str]], question: str, vector: BigFive | None, model: str
) -> tuple[tuple[Message, ...], int]:
    """Return the messages that go on with a conversation, and how many of its earlier turns they leave out.

    The first message is that of a single question, description included; what fits of the conversation follows it.
    """
    first, *_ = said = answer_messages(question, vector)
    lead = said[1].content.removesuffix(f"Question: {question}")
    room = LIMIT_CHARACTERS[form_for(model)] - len(first.content) - len(said[1].content) - len(LEFT_OUT)
    kept: list[tuple[str, str]] = []
    for turn in reversed(history):
        room -= len(turn[0]) + len(turn[1]) + len("Question: ")
        if room < 0:
            break
        kept.insert(0, turn)
    dropped = len(history) - len(kept)
    if dropped:
        lead = f"{lead}{LEFT_OUT}\n\n"
    messages = [first]
    for number, (asked, answered) in enumerate(kept):
        messages.append(Message(role="user", content=f"{lead if number == 0 else ''}Question: {asked}"))
        messages.append(Message(role="assistant", content=answered))
    messages.append(Message(role="user", content=f"{'' if kept else lead}Question: {question}"))
    return tuple(messages), dropped


# --------------------------------------------------------------------------------------------------------------- forms


def _form_requests(
    speaker: Speaker, targets: Sequence[Target], questions: Sequence[tuple[str, str]], draws: int, seed: int
) -> Iterator[tuple[Target, str, str, float, int, Request]]:
    for target in targets:
        assert target.vector is not None
        for name, text in questions:
            for wording in WORDINGS:
                messages = answer_messages(text, target.vector, wording)
                for temperature in TEMPERATURES:
                    for sample in range(draws):
                        sampling = Sampling(temperature=temperature, max_tokens=MAX_TOKENS, seed=seed, sample=sample)
                        label = f"{target.name} {name} {wording} {temperature:g} {sample}"
                        request = Request(messages=messages, model=speaker.model, sampling=sampling, label=label)
                        yield target, name, wording, temperature, sample, request


def _forms(
    job: Job,
    speaker: Speaker,
    targets: Sequence[Target],
    questions: Sequence[tuple[str, str]],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Have one speaker answer in every form; return the rows."""
    total = len(targets) * len(questions) * len(WORDINGS) * len(TEMPERATURES) * draws
    stream = (request for *_, request in _form_requests(speaker, targets, questions, draws, seed))
    said = job.ask(speaker, stream, parse_answer, total, "forms")
    rows = []
    for target, name, wording, temperature, sample, request in _form_requests(speaker, targets, questions, draws, seed):
        if request.key in said:
            who = {"respondent_id": target.name, "vector": target.vector}
            place = {"conversation": None, "turn": None, "left_out": None, "question_id": name}
            rows.append(_row(speaker, FORM, who, place, wording, temperature, sample, said[request.key], seed))
    return rows


def _row(
    speaker: Speaker,
    kind: str,
    who: Mapping[str, Any],
    place: Mapping[str, Any],
    wording: str,
    temperature: float,
    sample: int,
    text: str,
    seed: int,
) -> dict[str, Any]:
    return {
        "kind": kind,
        **speaker.as_who(who["respondent_id"], who["vector"]),
        **place,
        "wording": wording,
        "temperature": temperature,
        "sample": sample,
        "text": text,
        "prompt_hash": _prompt_hash(),
        "seed": seed,
    }


# ----------------------------------------------------------------------------------------------------------- measuring


def has(study: Study) -> bool:
    """Say whether anybody talked or answered."""
    return study.has(TABLE)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings `control.stability.`, by every judge in process that has percentiles."""
    table, seed = study.read(TABLE).filter(pl.col("wording").is_in(WORDINGS)), study.config(VERB)["seed"]
    names = study.manifest["stages"][VERB]["free"].get("readers", ["rater"])
    found: list[Finding] = []
    with threadpool_limits(limits=1, user_api="blas"):
        for number, name in enumerate(names):
            step("evaluate stability", number, len(names), name)
            found += _by(load_judge(name), table, seed)
    step("evaluate stability", len(names), len(names), "")
    return found


def _by(judge: Judge, table: pl.DataFrame, seed: int) -> Iterator[Finding]:
    """Yield what one judge reads of everybody; the known truth reads the embedded model alone."""
    asked = table.filter(pl.col("question_id") != "small-talk")
    if judge.family:
        asked = asked.filter(pl.col("model").str.starts_with(judge.family))
    read = read_by(judge, asked["text"].to_list())
    for (model, condition), part in (
        asked.with_row_index("place")
        .partition_by("model", "condition", as_dict=True, maintain_order=True, include_key=True)
        .items()
    ):
        if condition == UNTARGETED:
            continue
        source, words = f"{judge.name}|{model}|{condition}", f"{condition}, by {judge.name}"
        talks = part.filter(pl.col("kind") == TALK)
        if talks.height:
            voice = _voice(asked, read, talks)
            yield from conversation_findings(_talks_of(talks, read, *voice), source, words, seed)
        crossed = crossed_of(part.filter(pl.col("kind") == FORM), read)
        if crossed is not None:
            yield from form_findings(crossed, source, words, seed)


def read_by(judge: Judge, texts: Sequence[str]) -> Floats:
    """Return z of texts (n, 5) as a judge reads them, NaN where it reads nothing."""
    items = [Item(answer_id=str(number), question="", text=text) for number, text in enumerate(texts)]
    made = np.full((len(items), len(TARGET_COLUMNS)), np.nan)
    for reading in judge.read(items):
        values = np.array([np.nan if value is None else value for value in reading.percentile])
        known = np.isfinite(values)
        made[int(reading.answer_id), known] = z_from_percentile(values[known])
    return made


def _voice(asked: pl.DataFrame, read: Floats, talks: pl.DataFrame) -> tuple[Floats, Floats]:
    """Return the own voice behind some talks, without an adapter, and its error, z; 0 if nobody heard it."""
    rows = asked.with_row_index("place").filter((pl.col("condition") == UNTARGETED) & (pl.col("kind") == TALK))
    own = of_base(rows, talks)
    values = read[own["place"].to_numpy()] if own.height else np.zeros((0, len(TARGET_COLUMNS)))
    return voice_of(values, own["conversation"].cast(pl.Int64).to_numpy())


def _talks_of(part: pl.DataFrame, read: Floats, voice: Floats, error: Floats) -> Talks:
    return Talks(
        asked=np.asarray(z_from_percentile(part.select(TARGET_COLUMNS).to_numpy())),
        read=read[part["place"].to_numpy()],
        turn=part["turn"].cast(pl.Int64).to_numpy(),
        conversation=part["conversation"].cast(pl.Int64).to_numpy(),
        voice=voice,
        voice_error=error,
        left_out=part["left_out"].cast(pl.Int64).to_numpy(),
    )


def crossed_of(part: pl.DataFrame, read: Floats) -> Crossed | None:
    """Return the largest complete design among rows, None where there is none: vectors with a gap are left out.

    A trait that a judge did not read in an answer is filled with the mean of its vector's others, up to one in ten;
    with more of them there is no design.
    """
    if not part.height:
        return None
    axes = ("respondent_id", "question_id", "wording", "temperature", "sample")
    levels = [part[name].unique().sort().to_list() for name in axes]
    levels[2] = [name for name in WORDINGS if name in levels[2]]
    values = np.full((*(len(one) for one in levels), len(TARGET_COLUMNS)), np.nan)
    there = np.zeros(values.shape[:-1], dtype=bool)
    places = tuple(
        part[name].replace_strict(dict(zip(one, range(len(one)), strict=True)), return_dtype=pl.Int64).to_numpy()
        for name, one in zip(axes, levels, strict=True)
    )
    values[places] = read[part["place"].to_numpy()]
    there[places] = True
    whole = np.asarray(there.all(axis=tuple(range(1, there.ndim))))
    values = values[whole]
    names = [name for name, kept in zip(levels[0], whole, strict=True) if kept]
    if not values.size or np.isnan(values).mean(axis=tuple(range(values.ndim - 1))).max() > MOST_GAPS:
        return None
    for row in values:
        if np.isnan(row).all(axis=tuple(range(row.ndim - 1))).any():
            return None
        for trait in range(row.shape[-1]):
            gaps = ~np.isfinite(row[..., trait])
            row[..., trait][gaps] = row[..., trait][~gaps].mean()
    vectors = part.unique("respondent_id").select("respondent_id", *TARGET_COLUMNS)
    asked = {name: vector for name, *vector in vectors.iter_rows()}
    return Crossed(
        asked=np.asarray(z_from_percentile(np.array([asked[name] for name in names]).reshape(len(names), -1))),
        read=values,
        wordings=tuple(levels[2]),
        temperatures=tuple(levels[3]),
    )
