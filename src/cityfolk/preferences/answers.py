"""Answers to questions: under a personality, without one, and by adapters; asked through the journal, kept as a table.

What is asked holds nothing but the question and, for a target, five lines of personality. The table is made from the
journal after everything is asked, a few questions at a time, so that its size does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import polars as pl

from cityfolk.errors import UsageError
from cityfolk.preferences.prompts import ANSWER, answer_messages, answer_prompt_hash
from cityfolk.preferences.records import ANSWERS, PROMPTED, SPLITS, TARGET_COLUMNS, UNTARGETED, answer_id
from cityfolk.preferences.targets import Target
from cityfolk.study.journal import Journal
from cityfolk.types import Reply, Request, Sampling, content_key

STAGE = "answer"
MAX_TOKENS = 220  # three to six sentences are 60 to 160 tokens
TEMPERATURE = 0.8
SORTED_BY = ("question_id", "condition", "target_name", "sample", "engine", "model", "adapter", "answer_id")
_CHUNK = 2_000  # rows of the table that are made at a time
_ASKED = re.compile(r"^question:\s*", re.IGNORECASE)
_LABEL = re.compile(r"^(?:\*\*)?(?:answer|response)(?:\*\*)?:(?:\*\*)?\s*", re.IGNORECASE)
_NOT_WORDS = re.compile(r"[\W_]+")
_REFUSAL = re.compile(
    r"\bas an ai\b|\b(?:ai|large) language model\b|\bi(?:['\u2019]m| am) (?:just |only )?an ai\b"
    r"|^(?:i(?:['\u2019]m| am) sorry,? (?:but )?)?i (?:can(?:no|['\u2019])t|am unable to|won['\u2019]t be able to) "
    r"(?:answer|assist|help|provide|respond|fulfil|comply|roleplay|pretend)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who answers: an engine's name and model, and the adapter in that model ("" for none).

    `persona` is the target that the adapter was trained for: it is then asked without a vector, and for that target
    alone.
    """

    engine: str
    model: str
    adapter: str = ""
    persona: Target | None = None

    @property
    def prompt(self) -> tuple[str, str]:
        """Return the name of the prompts, and their hash."""
        return _prompt(self.persona is None)

    def targets(self, asked: Iterable[Target]) -> tuple[Target, ...]:
        """Return the targets that this speaker answers under: those that are asked, or its persona."""
        return (self.persona,) if self.persona is not None else tuple(asked)

    def condition(self, target: Target) -> str:
        """Return the condition of an answer: "untargeted", "prompted" or the adapter's name."""
        return UNTARGETED if target.vector is None else self.adapter or PROMPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked: questions as (id, text) in the order of asking, targets, samples of each, the sampling."""

    questions: Sequence[tuple[str, str]]
    targets: Sequence[Target]
    samples: int
    sampling: Sampling

    def size(self, speaker: Speaker) -> int:
        """Return how many answers one speaker gives."""
        return len(self.questions) * len(speaker.targets(self.targets)) * self.samples


@cache
def _prompt(vector: bool) -> tuple[str, str]:
    known = answer_prompt_hash()
    return (ANSWER, known) if vector else (f"{ANSWER} without a vector", content_key([known, "without a vector"]))


def choose_questions(
    questions: pl.DataFrame,
    *,
    split: str = "all",
    per_topic: int | None = None,
    limit: int | None = None,
    answered: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Return (id, text) of the questions to answer: the first of every topic, then the second of every topic, ...

    A job that stops early has touched every topic. What was chosen stays chosen when more is asked for; to a `limit`
    the ids that are `answered` count first, so that topics added later push none of them out. Raises UsageError where
    nothing is left to ask.
    """
    if split not in (*SPLITS, "all"):
        raise UsageError(f"there is no split {split!r}", hint=f"one of {', '.join(SPLITS)}, all")
    chosen = questions if split == "all" else questions.filter(pl.col("split") == split)
    ranked = chosen.sort("question_id").with_columns(rank=pl.int_range(pl.len()).over("topic"))
    if per_topic is not None:
        ranked = ranked.filter(pl.col("rank") < per_topic)
    ranked = ranked.sort("rank", "question_id")
    if limit is not None:
        fresh = ~pl.col("question_id").is_in(list(answered))
        ranked = ranked.sort(fresh, "rank", "question_id").head(limit).sort("rank", "question_id")
    if not ranked.height:
        where = "" if split == "all" else f" of the split {split}"
        raise UsageError(f"there are no questions{where} to answer", hint="ask for some with `cityfolk questions DIR`")
    return list(zip(ranked["question_id"].to_list(), ranked["text"].to_list(), strict=True))


def answer_request(
    question: tuple[str, str], target: Target, sample: int, speaker: Speaker, sampling: Sampling
) -> Request:
    """Return the request for one answer; without a target it is the same for all targets and asked once."""
    vector = None if speaker.persona is not None else target.vector
    return Request(
        messages=answer_messages(question[1], vector),
        model=speaker.model,
        sampling=sampling if sample == sampling.sample else replace(sampling, sample=sample),
        label=f"{question[0]} {target.name or UNTARGETED} {sample}",
    )


def parse_answer(request: Request, reply: Reply) -> str:
    """Return the text of an answer; ValueError where nothing is said or the question is only said again.

    A label before the answer ("Answer: ...") is taken away. A refusal is an answer (`is_refusal` tells).
    """
    text = _LABEL.sub("", reply.text.strip()).strip()
    if not any(letter.isalnum() for letter in text):
        raise ValueError("nothing is said")
    asked = request.messages[-1].content.rpartition("\n\n")[2]
    if _plain(_ASKED.sub("", text)) == _plain(_ASKED.sub("", asked)):
        raise ValueError("the question is only said again")
    return text


def _plain(text: str) -> str:
    return _NOT_WORDS.sub(" ", text.casefold()).strip()


def is_refusal(text: str) -> bool:
    """Say whether an answer speaks as a machine or declines to answer."""
    return _REFUSAL.search(text) is not None


def requests(job: Job, speaker: Speaker) -> Iterator[Request]:
    """Give one speaker's requests: question after question, so that a job that stops has whole questions."""
    samplings = [replace(job.sampling, sample=sample) for sample in range(job.samples)]
    targets = speaker.targets(job.targets)
    for question in job.questions:
        for target in targets:
            for sample, sampling in enumerate(samplings):
                yield answer_request(question, target, sample, speaker, sampling)


@dataclass(slots=True)
class Counts:
    """What a table of answers holds: rows, rows that were asked for now, cut answers, refusals."""

    rows: int = 0
    asked: int = 0
    cut: int = 0
    refused: int = 0


def answer_frames(
    journal: Journal, job: Job, speakers: Sequence[Speaker], counts: Counts, before: pl.LazyFrame | None = None
) -> Iterator[pl.DataFrame]:
    """Give answers.parquet in parts that follow one another in its order, as far as the journal has the answers.

    `before` is the table as it was: its other rows stay.
    """
    accepted = journal.settled(STAGE)[0]
    asked = dict(job.questions)
    each = sum(job.size(speaker) for speaker in speakers) // max(1, len(asked))
    sizes = dict.fromkeys(asked, each)
    if before is not None:
        kept = before.group_by("question_id").len().collect(engine="streaming")
        for question_id, size in kept.iter_rows():
            sizes[question_id] = sizes.get(question_id, 0) + size
    rows: list[dict[str, Any]] = []
    low, size = None, 0
    for question_id in sorted(sizes):
        if size >= _CHUNK:
            yield _part(rows, before, low, question_id, counts)
            rows, low, size = [], question_id, 0
        size += sizes[question_id]
        if question_id in asked:
            rows += _rows(journal, accepted, (question_id, asked[question_id]), job, speakers)
    yield _part(rows, before, low, None, counts)


def _rows(
    journal: Journal,
    accepted: Mapping[int, int],
    question: tuple[str, str],
    job: Job,
    speakers: Sequence[Speaker],
) -> Iterator[dict[str, Any]]:
    for speaker in speakers:
        for target in speaker.targets(job.targets):
            for sample in range(job.samples):
                request = answer_request(question, target, sample, speaker, job.sampling)
                found = accepted.get(int(request.key, 16))
                if found is not None:
                    yield answer_row(question, target, speaker, request, journal.reply(found))


def answer_row(
    question: tuple[str, str], target: Target, speaker: Speaker, request: Request, reply: Reply
) -> dict[str, Any]:
    """Return one row of answers.parquet."""
    condition, (prompt, prompt_hash), sampling = speaker.condition(target), speaker.prompt, request.sampling
    named = (f"{question[0]}: {question[1]}", condition, target.vector, sampling.sample)
    vector = [None] * len(TARGET_COLUMNS) if target.vector is None else [value for _, value in target.vector.items()]
    return {
        "answer_id": answer_id(*named, speaker.model, speaker.adapter, prompt_hash),
        "question_id": question[0],
        "condition": condition,
        "target_name": target.name,
        **dict(zip(TARGET_COLUMNS, vector, strict=True)),
        "sample": sampling.sample,
        "text": parse_answer(request, reply),
        "engine": speaker.engine,
        "model": speaker.model,
        "adapter": speaker.adapter,
        "prompt": prompt,
        "prompt_hash": prompt_hash,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
        "finish": reply.finish,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
    }


def _part(
    rows: list[dict[str, Any]], before: pl.LazyFrame | None, low: str | None, high: str | None, counts: Counts
) -> pl.DataFrame:
    """Return the table's rows of the questions from `low` to before `high`: these, and those that were there."""
    frame = pl.DataFrame(rows, schema=ANSWERS)
    counts.asked += frame.height
    if before is not None:
        inside = (pl.lit(True) if low is None else pl.col("question_id") >= low) & (
            pl.lit(True) if high is None else pl.col("question_id") < high
        )
        old = before.filter(inside).collect().join(frame.select("answer_id"), on="answer_id", how="anti")
        frame = pl.concat([frame, old.select(*ANSWERS)])
    counts.rows += frame.height
    counts.cut += int((frame["finish"] == "length").sum())
    counts.refused += sum(map(is_refusal, frame["text"]))
    return frame.sort(SORTED_BY)


def answer_config(speaker: Speaker, sampling: Sampling) -> dict[str, Any]:
    """Return what determines an answer's row besides its question and target: prompts, sampling, model."""
    return {
        "seed": sampling.seed,
        "model": speaker.model,
        "prompt": ANSWER,
        "prompt_hash": answer_prompt_hash(),
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
    }
