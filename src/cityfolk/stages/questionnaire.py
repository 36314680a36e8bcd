"""A questionnaire given to models: every engine answers every item, under every vector and in every form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress, ask
from cityfolk.engines.base import Engine
from cityfolk.engines.prices import load_prices
from cityfolk.errors import EngineError, IncompleteError, UsageError
from cityfolk.evaluation.psychometrics.administration import (
    PROMPTS,
    Design,
    Form,
    Respondent,
    Said,
    form_of,
    prompt_hash,
    read_reply,
    requests,
)
from cityfolk.evaluation.psychometrics.findings import PREFIX, questionnaire_findings
from cityfolk.evaluation.psychometrics.population import PERSON, population_findings
from cityfolk.evaluation.psychometrics.sheets import FORM, PROBABILITIES, RESPONSES, SORTED_BY, TARGETS
from cityfolk.personality.inventory import Item
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.preferences.records import PROMPTED, UNTARGETED
from cityfolk.preferences.targets import parse_targets
from cityfolk.stages.answers import adapter_of
from cityfolk.stages.asked import failures_left, notices_of, persona_of, stopped_error
from cityfolk.stages.engines import Limits, engine_price, equipped, labels, load_engines, require_task
from cityfolk.stages.plan import estimate_calls, plan_document
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.study.rows import Rows
from cityfolk.types import Failure, Finding, Reply, Request

STAGE = VERB = "questionnaire"
TABLE = "responses"
ATTEMPTS = 3
_CHUNK = 5_000  # rows that are held as dictionaries
_SAMPLE = 50  # requests whose tokens are counted for a plan
_IDENTITY = ("engine", "model", "adapter", "condition", "respondent_id", "instrument", "item_id", *FORM)


@dataclass(frozen=True, kw_only=True)
class QuestionnaireOptions:
    """What is asked for. The seed and the first engine's model determine rows; all else adds to what there is.

    `targets` are those of `answer` ("sobol:64", "people:500", "none" for the model's own voice); `persona` is the
    archetype that the adapters among the engines were trained for: they are asked without a vector, for that alone.
    """

    engines: Sequence[str] = ("pocket",)
    targets: Sequence[str] = ("sobol:64", "none")
    instruments: Sequence[str] = (INSTRUMENT,)
    option_orders: int = 2
    item_orders: int = 1
    wordings: int = 1
    samples: int = 1
    persona: str = ""
    seed: int | None = None
    limits: Limits = field(default_factory=Limits)


PRESETS: dict[str, QuestionnaireOptions] = {
    "quick": QuestionnaireOptions(targets=("sobol:16", "none"), option_orders=1),
    "standard": QuestionnaireOptions(),
    "full": QuestionnaireOptions(instruments=(INSTRUMENT, "IPIP-50"), item_orders=2, wordings=3),
    "population": QuestionnaireOptions(targets=("people:500",)),
}
"""2,040, 15,600, 132,600 and 120,000 calls an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speaker:
    """One engine, what its adapter is called, and whom it answers as."""

    engine: str
    model: str
    adapter: str
    respondents: tuple[Respondent, ...]

    def condition(self, respondent: Respondent) -> str:
        return UNTARGETED if respondent.vector is None else self.adapter or PROMPTED


@dataclass(slots=True)
class _Job:
    study: Study
    designs: list[Design]
    speakers: list[_Speaker]
    labels: list[str]
    again: bool
    step: Step
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[int, EngineError | IncompleteError] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def size(self, speaker: _Speaker) -> int:
        return sum(design.calls(len(speaker.respondents)) for design in self.designs)

    def asked(self, speaker: _Speaker) -> Iterator[tuple[Design, Respondent, Form, Item, Request]]:
        for design in self.designs:
            for respondent, form, item, request in requests(design, speaker.respondents, speaker.model):
                yield design, respondent, form, item, request

    def give(self, number: int, engine: Engine) -> None:
        """Have one engine answer everything; where it stops, remember why."""
        speaker = self.speakers[number]
        title = f"{VERB} {self.labels[number]}" if len(self.labels) > 1 else VERB
        total, began = self.size(speaker), perf_counter()

        def told(progress: Progress) -> None:
            rate = f"{progress.settled / max(perf_counter() - began, 1e-9):,.0f} answers/s"
            self.step(title, progress.settled, total, rate)

        stream = (request for *_, request in self.asked(speaker))
        try:
            replies = ask(
                self.study.journal,
                engine,
                stream,
                _parse,
                stage=STAGE,
                attempts=ATTEMPTS,
                again=self.again,
                keep_cut=True,
                on_progress=told,
            )
            self.failures += [result for _, result in replies if isinstance(result, Failure)]
        except (EngineError, IncompleteError) as error:
            self.stopped[number] = error


def give(study: Study, options: QuestionnaireOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine answer, one after the other: responses.parquet, beside what was asked for earlier.

    What the journal answers is not asked again. An engine that cannot go on keeps nobody else from answering. Raises
    IncompleteError at the end if any answer is missing, EngineError if no engine could answer at all.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    designs, speakers = _prepare(study, options, engines)
    again = "ended" in study.manifest["stages"].get(VERB, {})
    with equipped(study, engines, options.limits) as ready:
        study.begin(VERB, _config(speakers[0], designs[0]), free=_free(options, engines), fresh=_nothing(study))
        study.work(VERB)
        job = _Job(study, designs, speakers, labels(engines), again, step)
        for number, engine in enumerate(ready):
            job.give(number, engine)
    return _conclude(job, engines)


def plan_questionnaire(study: Study, options: QuestionnaireOptions) -> dict[str, Any]:
    """Say what `give` would do: the first prompt, and for each engine how many calls, tokens and dollars.

    Identical requests count once, and those that the journal answers do not count.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    designs, speakers = _prepare(study, options, engines)
    job = _Job(study, designs, speakers, labels(engines), again=False, step=quiet)
    done = study.journal.settled(STAGE)[0] if (study.folder / JOURNAL).exists() else Rows()
    prices, estimates, first = load_prices(), [], None
    for engine, speaker, label in zip(engines, speakers, job.labels, strict=True):
        kept: dict[int, bool] = {}
        sample: list[Request] = []
        for *_, request in job.asked(speaker):
            first = first or request
            kept.setdefault(int(request.key, 16), int(request.key, 16) in done)
            if len(sample) < _SAMPLE:
                sample.append(request)
        estimates.append(
            estimate_calls(
                engine,
                label,
                PROMPTS,
                sample,
                calls=sum(not known for known in kept.values()),
                answered=sum(kept.values()),
                wrote=1.0,
                how="one option",
                price=engine_price(engine, prices),
            )
        )
    if first is None:
        raise UsageError("nobody is asked anything", hint="give an engine, a target and an instrument")
    return plan_document(engines[0], first, estimates) | {
        "instruments": [design.instrument for design in designs],
        "forms": len(designs[0].forms),
        "respondents": [len(speaker.respondents) for speaker in speakers],
    }


def has_responses(study: Study) -> bool:
    """Say whether anybody answered a questionnaire in a study."""
    return study.has(TABLE)


def questionnaire_evidence(study: Study) -> list[Finding]:
    """Return the findings `control.questionnaire.` of a study's responses.

    With people of the city who answered as themselves, those of the population too. StudyError where nobody was asked.
    """
    responses = study.read(TABLE)
    found = questionnaire_findings(responses, seed=study.config(VERB)["seed"])
    if study.has("people") and responses["respondent_id"].str.starts_with(PERSON).any():
        found += population_findings(responses, study.read("people"))
    return found


def measure_questionnaire(study: Study) -> list[Finding]:
    """Make the findings `control.questionnaire.` anew, keep them in the study and return them."""
    found = questionnaire_evidence(study)
    study.replace_findings(PREFIX, found)
    return found


# ------------------------------------------------------------------------------------------------------------ preparing


def _prepare(
    study: Study, options: QuestionnaireOptions, engines: Sequence[Engine]
) -> tuple[list[Design], list[_Speaker]]:
    seed = study.seed(options.seed)
    if not options.instruments:
        raise UsageError("no instrument is asked for", hint=f"such as {INSTRUMENT}")
    common = Design(
        option_orders=options.option_orders,
        item_orders=options.item_orders,
        wordings=options.wordings,
        samples=options.samples,
        seed=seed,
    )
    designs = [replace(common, instrument=instrument) for instrument in dict.fromkeys(options.instruments)]
    targets = parse_targets(options.targets, study, seed)
    everybody = tuple(Respondent(respondent_id=target.name or UNTARGETED, vector=target.vector) for target in targets)
    adapters = [adapter_of(engine) for engine in engines]
    target = persona_of(options.persona, adapters)
    persona = () if target is None else (Respondent(respondent_id=target.name, vector=target.vector, told=False),)
    speakers = [
        _Speaker(
            engine=engine.name,
            model=engine.model,
            adapter=adapter,
            respondents=persona if adapter and persona else everybody,
        )
        for engine, adapter in zip(engines, adapters, strict=True)
    ]
    _refuse_renamed(study, everybody + persona)
    return designs, speakers


def _refuse_renamed(study: Study, respondents: Sequence[Respondent]) -> None:
    """Raise UsageError for a respondent under whose name the study has answers to another vector."""
    if not study.has(TABLE):
        return
    known = study.scan(TABLE).select("respondent_id", *TARGETS).unique().collect()
    vectors = {name: tuple(vector) for name, *vector in known.iter_rows()}
    for respondent in respondents:
        if vectors.get(respondent.respondent_id, _vector(respondent)) != _vector(respondent):
            raise UsageError(
                f"{study.folder} has answers under another vector called {respondent.respondent_id!r}",
                hint="give this target another name",
            )


def _vector(respondent: Respondent) -> tuple[float | None, ...]:
    if respondent.vector is None:
        return (None,) * len(TARGETS)
    return tuple(value for _, value in respondent.vector.items())


def _config(speaker: _Speaker, design: Design) -> dict[str, Any]:
    return {"seed": design.seed, "model": speaker.model, "prompt": PROMPTS, "prompt_hash": prompt_hash()}


def _free(options: QuestionnaireOptions, engines: Sequence[Engine]) -> dict[str, Any]:
    return {
        "targets": list(options.targets),
        "instruments": list(options.instruments),
        "option_orders": options.option_orders,
        "item_orders": options.item_orders,
        "wordings": options.wordings,
        "samples": options.samples,
        "persona": options.persona,
        "engines": [engine.name for engine in engines],
        "models": [engine.model for engine in engines],
        "specs": list(dict.fromkeys(options.engines)),
        **options.limits.document(),
    }


def _nothing(study: Study) -> bool:
    """Say whether no engine has answered an item of this study."""
    if study.has(TABLE):
        return False
    return not (study.folder / JOURNAL).exists() or not study.journal.settled(STAGE)[0]


# ----------------------------------------------------------------------------------------------------------- concluding


def _parse(request: Request, reply: Reply) -> Said:
    return read_reply(reply, form_of(request))


def _conclude(job: _Job, engines: Sequence[Engine]) -> dict[str, Any]:
    """Write the table from the journal, and the failures; raise what there is to raise, else say what was done."""
    study = job.study
    now = pl.concat([pl.DataFrame(schema=RESPONSES), *_frames(job)])
    before = study.read(TABLE) if study.has(TABLE) else pl.DataFrame(schema=RESPONSES)
    whole = pl.concat([now, before.select(*RESPONSES).join(now, on=_IDENTITY, how="anti")])
    if whole.height or not job.stopped:
        study.write(TABLE, whole.sort(SORTED_BY))
    left = failures_left(study, STAGE, job.failures)
    study.replace_failures(STAGE, left)
    asked = sum(job.size(speaker) for speaker in job.speakers)
    if job.stopped:
        raise stopped_error(job.labels, job.stopped, now.height, asked)
    refused = int((now["outcome"] == "refused").sum())
    notices = notices_of(job.labels, engines)
    if refused:
        notices.append(f"{refused:,} of {now.height:,} answers are refusals")
    seconds = round(perf_counter() - job.began, 1)
    facts = {"responses": whole.height, "asked": now.height, "refused": refused}
    study.finish(VERB, **facts, failed=len(left), seconds=seconds, notices=notices)
    if job.failures:
        raise IncompleteError(
            f"{len(job.failures):,} of {asked:,} answers are missing; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {**facts, "engines": job.labels, "seconds": seconds, "notices": notices}


def _frames(job: _Job) -> Iterator[pl.DataFrame]:
    """Give the rows that the journal has an answer for, in parts."""
    accepted = job.study.journal.settled(STAGE)[0]
    rows: list[dict[str, Any]] = []
    for speaker in job.speakers:
        for design, respondent, form, item, request in job.asked(speaker):
            found = accepted.get(int(request.key, 16))
            if found is not None:
                rows.append(_row(speaker, design, respondent, form, item, job.study.journal.reply(found)))
            if len(rows) >= _CHUNK:
                yield pl.DataFrame(rows, schema=RESPONSES)
                rows = []
    yield pl.DataFrame(rows, schema=RESPONSES)


def _row(
    speaker: _Speaker, design: Design, respondent: Respondent, form: Form, item: Item, reply: Reply
) -> dict[str, Any]:
    said = read_reply(reply, form)
    return {
        "respondent_id": respondent.respondent_id,
        "condition": speaker.condition(respondent),
        **dict(zip(TARGETS, _vector(respondent), strict=True)),
        "engine": speaker.engine,
        "model": speaker.model,
        "adapter": speaker.adapter,
        "instrument": design.instrument,
        "item_id": item.number,
        **{name: getattr(form, name) for name in FORM},
        "value": said.value,
        **dict(zip(PROBABILITIES, said.probabilities or (None,) * len(PROBABILITIES), strict=True)),
        "outcome": said.outcome,
        "text": reply.text,
        "prompt_hash": prompt_hash(),
        "seed": design.seed,
    }
