"""`answer`: every engine answers every question under every target, and without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.engines.prices import load_prices
from cityfolk.engines.spec import Spec
from cityfolk.errors import EngineError, IncompleteError, UsageError
from cityfolk.preferences.answers import (
    MAX_TOKENS,
    STAGE,
    TEMPERATURE,
    Counts,
    Job,
    Speaker,
    answer_config,
    answer_frames,
    ask_answers,
    choose_questions,
    requests,
)
from cityfolk.preferences.records import ANSWERS, TARGET_COLUMNS
from cityfolk.preferences.targets import Target, parse_targets
from cityfolk.stages.asked import failures_left, notices_of, persona_of, stopped_error
from cityfolk.stages.engines import Limits, engine_price, equipped, labels, load_engines, require_task
from cityfolk.stages.plan import counter, estimate_calls, mean_completion, plan_document
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Failure, Request, Sampling

TABLE = "answers"
VERB = "answer"
_SENTENCES = "I usually take a day to think it over and then talk to somebody who has been through the same thing. " * 4
_SAMPLE = 50  # requests whose tokens are counted for a plan


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
    again = "ended" in study.manifest["stages"].get(VERB, {})
    with equipped(study, engines, options.limits) as ready:
        study.begin(VERB, answer_config(speakers[0], job.sampling), free=_free(options, engines), fresh=_nothing(study))
        study.work(VERB)
        asking = _Asking(study, job, speakers, labels(engines), again, step)
        for number, engine in enumerate(ready):
            asking.ask(number, engine)
    return _conclude(asking, engines)


def plan_answers(study: Study, options: AnswerOptions) -> dict[str, Any]:
    """Say what `answer` would do: the first prompt, and for each engine how many calls, tokens and dollars.

    Identical requests count once, and those that the journal answers do not count.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    job, speakers = _prepare(study, options, engines)
    done = study.journal.settled(STAGE)[0] if (study.folder / JOURNAL).exists() else {}
    prices, estimates = load_prices(), []
    first: Request | None = None
    for engine, speaker, label in zip(engines, speakers, labels(engines), strict=True):
        open_keys: set[int] = set()
        answered: set[int] = set()
        sample: list[Request] = []
        for request in requests(job, speaker):
            first = first or request
            key = int(request.key, 16)
            (answered if key in done else open_keys).add(key)
            if len(sample) < _SAMPLE:
                sample.append(request)
        wrote = mean_completion(study, engine, (STAGE,))
        if wrote is None:
            wrote = counter(engine)[0](_SENTENCES), f"an answer of {len(_SENTENCES)} characters"
        estimates.append(
            estimate_calls(
                engine,
                label,
                speaker.prompt[0],
                sample,
                calls=len(open_keys),
                answered=len(answered),
                wrote=wrote[0],
                how=wrote[1],
                price=engine_price(engine, prices),
            )
        )
    assert first is not None
    plan = plan_document(engines[0], first, estimates)
    counts = {"questions": len(job.questions), "targets": len(job.targets), "samples": job.samples}
    return plan | counts | {"answers": sum(job.size(speaker) for speaker in speakers)}


def check_answers(options: AnswerOptions) -> None:
    """Check what can be checked before anything is asked: engines, persona, and targets that need no people."""
    persona_of(options.persona, [adapter_of(engine) for engine in load_engines(options.engines, options.limits)])
    apart = [word for text in options.targets for word in text.split(",") if not word.strip().startswith("people:")]
    if apart:
        parse_targets(apart, None, options.seed or 0)


def adapter_of(engine: Engine) -> str:
    """Return the name of the adapter in an engine's name, "" if there is none: its folder's or repository's."""
    spec = getattr(engine, "spec", None)
    place = spec.adapter if isinstance(spec, Spec) else getattr(engine, "adapter", "")
    return Path(place).name if isinstance(place, str) else ""


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
    """Raise UsageError for a target under whose name the study has answers to another vector."""
    if not study.has("answers"):
        return
    known = study.scan("answers").filter(pl.col("target_name") != "").select("target_name", *TARGET_COLUMNS).unique()
    vectors: dict[str, list[tuple[float, ...]]] = {}
    for name, *vector in known.collect(engine="streaming").iter_rows():
        vectors.setdefault(name, []).append(tuple(vector))
    for target in targets:
        if target.vector is None:
            continue
        asked = tuple(value for _, value in target.vector.items())
        if any(old != asked for old in vectors.get(target.name, ())):
            raise UsageError(
                f"{study.folder} has answers under another vector called {target.name!r}",
                hint="give this target another name",
            )


def _free(options: AnswerOptions, engines: Sequence[Engine]) -> dict[str, Any]:
    return {
        "targets": list(options.targets),
        "samples": options.samples,
        "split": options.split,
        "questions_per_topic": options.questions_per_topic,
        "limit": options.limit,
        "persona": options.persona,
        "engines": [engine.name for engine in engines],
        "models": [engine.model for engine in engines],
        "specs": list(dict.fromkeys(options.engines)),
        **options.limits.document(),
    }


def _nothing(study: Study) -> bool:
    """Say whether no engine has answered a question of this study."""
    if study.has(TABLE):
        return False
    return not (study.folder / JOURNAL).exists() or not any(study.journal.settled(STAGE))


@dataclass(slots=True)
class _Asking:
    study: Study
    job: Job
    speakers: list[Speaker]
    labels: list[str]
    again: bool
    step: Step
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[int, EngineError | IncompleteError] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def ask(self, number: int, engine: Engine) -> None:
        """Have one engine answer everything; where it stops, remember why."""
        speaker = self.speakers[number]
        title = f"answer {self.labels[number]}" if len(self.labels) > 1 else "answer"
        total, began = self.job.size(speaker), perf_counter()

        def told(progress: Progress) -> None:
            self.step(title, progress.settled, total, _rate(progress, perf_counter() - began))

        try:
            self.failures += ask_answers(
                self.study.journal, engine, self.job, speaker, again=self.again, on_progress=told
            )
        except (EngineError, IncompleteError) as error:
            self.stopped[number] = error


def _conclude(asking: _Asking, engines: Sequence[Engine]) -> dict[str, Any]:
    """Write the table from the journal, and the failures; raise what there is to raise, else say what was done."""
    study, job = asking.study, asking.job
    asked = sum(job.size(speaker) for speaker in asking.speakers)
    before = study.scan(TABLE) if study.has(TABLE) else None
    counts = Counts()
    if before is not None or not asking.stopped or any(study.journal.settled(STAGE)[0]):
        study.write_frames(TABLE, answer_frames(study.journal, job, asking.speakers, counts, before), ANSWERS)
    failures = failures_left(study, STAGE, asking.failures)
    study.replace_failures(STAGE, failures)
    if asking.stopped:
        raise stopped_error(asking.labels, asking.stopped, counts.asked, asked)
    notices = notices_of(asking.labels, engines)
    if counts.cut:
        notices.append(f"{counts.cut:,} of {counts.rows:,} answers were cut off at {MAX_TOKENS} tokens")
    if counts.refused:
        notices.append(f"{counts.refused:,} of {counts.rows:,} answers are refusals or speak as a machine")
    seconds = round(perf_counter() - asking.began, 1)
    facts = {"answers": counts.rows, "asked": counts.asked, "cut": counts.cut, "refused": counts.refused}
    study.finish(VERB, **facts, failed=len(failures), seconds=seconds, notices=notices)
    if asking.failures:
        raise IncompleteError(
            f"{len(asking.failures):,} of {asked:,} answers are missing; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {**facts, "engines": asking.labels, "seconds": seconds, "notices": notices}


def _rate(progress: Progress, seconds: float) -> str:
    rate = f"{progress.completion_tokens / max(seconds, 1e-9):,.0f} tokens/s"
    return f"{rate}, {progress.rejected} rejected" if progress.rejected else rate
