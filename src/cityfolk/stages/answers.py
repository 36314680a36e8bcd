"""`answer`: every engine answers every question under every target, and without one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.errors import UsageError
from cityfolk.preferences.answers import (
    MAX_TOKENS,
    STAGE,
    TEMPERATURE,
    Counts,
    Job,
    Speaker,
    answer_config,
    answer_frames,
    choose_questions,
    parse_answer,
    requests,
)
from cityfolk.preferences.records import ANSWERS, TARGET_COLUMNS
from cityfolk.preferences.targets import Target, parse_targets
from cityfolk.stages.asked import (
    Asking,
    about_engines,
    adapter_of,
    nothing_answered,
    persona_of,
    plan_asked,
    refuse_renamed,
)
from cityfolk.stages.engines import Limits, equipped, load_engines, require_task
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Sampling

TABLE = "answers"
VERB = "answer"


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """What `answer` is asked for. The seed, the temperature and the first engine's model determine rows; the rest adds.

    `persona` is the archetype that the adapters among the engines were trained for: they are asked without a vector,
    for that target alone. `seed` None is the study's, 0 for a new one.
    """

    engines: Sequence[str] = ("pocket",)
    targets: Sequence[str] = ("archetypes", "none")
    samples: int = 2
    split: str = "all"
    questions_per_topic: int | None = None
    limit: int | None = None
    temperature: float = TEMPERATURE
    persona: str = ""
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)


def answer_questions(study: Study, options: AnswerOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine answer, one after the other: answers.parquet, beside what earlier commands asked for.

    An engine that cannot go on does not keep the others from answering; what it answered before is kept. Raises
    IncompleteError at the end if any answer is missing, EngineError if no engine could answer at all.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    job, speakers = _prepare(study, options, engines)
    asking = Asking.of(study, VERB, engines, step)
    with equipped(study, engines, options.limits) as ready:
        fresh = nothing_answered(study, TABLE, STAGE)
        study.begin(VERB, answer_config(speakers[0], job.sampling), free=_free(options, engines), fresh=fresh)
        study.work(VERB)
        for number, (engine, speaker) in enumerate(zip(ready, speakers, strict=True)):
            asked = asking.ask(number, engine, requests(job, speaker), parse_answer, job.size(speaker), rate=_rate)
            deque(asked, maxlen=0)
    return _conclude(asking, job, speakers)


def plan_answers(study: Study, options: AnswerOptions) -> dict[str, Any]:
    """Say what `answer` would do: the first prompt, and for each engine how many calls, tokens and dollars.

    Identical requests count once, and those that the journal answers do not count.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    job, speakers = _prepare(study, options, engines)
    spoken = zip(engines, speakers, strict=True)
    plan = plan_asked(study, [(one, as_.prompt[0], requests(job, as_)) for one, as_ in spoken], stage=STAGE)
    counts = {"questions": len(job.questions), "targets": len(job.targets), "samples": job.samples}
    return plan | counts | {"answers": sum(job.size(speaker) for speaker in speakers)}


def check_answers(options: AnswerOptions) -> None:
    """Check what can be checked before anything is asked: engines, persona, and targets that need no people."""
    persona_of(options.persona, [adapter_of(engine) for engine in load_engines(options.engines, options.limits)])
    apart = [word for text in options.targets for word in text.split(",") if not word.strip().startswith("people:")]
    if apart:
        parse_targets(apart, None, options.seed or 0)


def _prepare(study: Study, options: AnswerOptions, engines: Sequence[Engine]) -> tuple[Job, list[Speaker]]:
    """Check everything that is asked and return the job and its speakers."""
    if options.samples < 1:
        raise UsageError(f"{options.samples} samples cannot be taken", hint="give --samples 1 or more")
    seed = study.seed(options.seed)
    adapters = [adapter_of(engine) for engine in engines]
    persona = persona_of(options.persona, adapters)
    questions = choose_questions(
        study.read("questions"),
        split=options.split,
        per_topic=options.questions_per_topic,
        limit=options.limit,
        answered=_answered(study) if options.limit is not None else (),
    )
    job = Job(
        questions=questions,
        targets=parse_targets(options.targets, study, seed),
        samples=options.samples,
        sampling=Sampling(temperature=options.temperature, max_tokens=MAX_TOKENS, seed=seed),
    )
    _refuse_renamed(study, job.targets)
    speakers = [
        Speaker(engine=engine.name, model=engine.model, adapter=adapter, persona=persona if adapter else None)
        for engine, adapter in zip(engines, adapters, strict=True)
    ]
    return job, speakers


def _answered(study: Study) -> list[str]:
    """Return the ids of the questions to which the study has answers."""
    if not study.has(TABLE):
        return []
    found = study.scan(TABLE).select(pl.col("question_id").unique()).collect(engine="streaming")
    return list(found["question_id"])


def _refuse_renamed(study: Study, targets: Sequence[Target]) -> None:
    if study.has(TABLE):
        known = study.scan(TABLE).filter(pl.col("target_name") != "").select("target_name", *TARGET_COLUMNS).unique()
        named = [(target.name, target.vector) for target in targets if target.vector is not None]
        refuse_renamed(study, known.collect(engine="streaming"), named)


def _free(options: AnswerOptions, engines: Sequence[Engine]) -> dict[str, Any]:
    return {
        "targets": list(options.targets),
        "samples": options.samples,
        "split": options.split,
        "questions_per_topic": options.questions_per_topic,
        "limit": options.limit,
        "persona": options.persona,
        **about_engines(engines, options.engines, options.limits),
    }


def _conclude(asking: Asking, job: Job, speakers: Sequence[Speaker]) -> dict[str, Any]:
    """Write the table from the journal; raise what there is to raise, else say what was done."""
    study = asking.study
    before = study.scan(TABLE) if study.has(TABLE) else None
    counts = Counts()
    if before is not None or not asking.stopped or any(study.journal.settled(STAGE)[0]):
        study.write_frames(TABLE, answer_frames(study.journal, job, speakers, counts, before), ANSWERS)
    notices = []
    if counts.cut:
        notices.append(f"{counts.cut:,} of {counts.rows:,} answers were cut off at {MAX_TOKENS} tokens")
    if counts.refused:
        notices.append(f"{counts.refused:,} of {counts.rows:,} answers are refusals or speak as a machine")
    facts = {"answers": counts.rows, "asked": counts.asked, "cut": counts.cut, "refused": counts.refused}
    return asking.conclude(sum(map(job.size, speakers)), counts.asked, facts, notices)


def _rate(progress: Progress, seconds: float) -> str:
    rate = f"{progress.completion_tokens / max(seconds, 1e-9):,.0f} tokens/s"
    return f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
