"""A questionnaire given to models: every engine answers every item, under every vector and in every form."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from cityfolk.engines.base import Engine
from cityfolk.errors import UsageError
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
from cityfolk.stages.asked import (
    Asking,
    about_engines,
    adapter_of,
    nothing_answered,
    persona_of,
    plan_asked,
    refuse_renamed,
    target_values,
)
from cityfolk.stages.engines import Limits, equipped, load_engines, require_task
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Finding, Reply, Request

STAGE = VERB = "questionnaire"
TABLE = "responses"
ATTEMPTS = 3
_CHUNK = 5_000  # rows that are held as dictionaries
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


@dataclass(frozen=True, slots=True)
class _Job:
    designs: list[Design]
    speakers: list[_Speaker]

    def size(self, speaker: _Speaker) -> int:
        return sum(design.calls(len(speaker.respondents)) for design in self.designs)

    def asked(self, speaker: _Speaker) -> Iterator[tuple[Design, Respondent, Form, Item, Request]]:
        for design in self.designs:
            for respondent, form, item, request in requests(design, speaker.respondents, speaker.model):
                yield design, respondent, form, item, request

    def requests(self, speaker: _Speaker) -> Iterator[Request]:
        return (request for *_, request in self.asked(speaker))


def give(study: Study, options: QuestionnaireOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine answer, one after the other: responses.parquet, beside what was asked for earlier.

    What the journal answers is not asked again. An engine that cannot go on keeps nobody else from answering. Raises
    IncompleteError at the end if any answer is missing, EngineError if no engine could answer at all.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    job = _prepare(study, options, engines)
    asking = Asking.of(study, VERB, engines, step)
    with equipped(study, engines, options.limits) as ready:
        fresh = nothing_answered(study, TABLE, STAGE)
        study.begin(VERB, _config(job.speakers[0], job.designs[0]), free=_free(options, engines), fresh=fresh)
        study.work(VERB)
        for number, (engine, speaker) in enumerate(zip(ready, job.speakers, strict=True)):
            asked = job.requests(speaker)
            deque(asking.ask(number, engine, asked, _parse, job.size(speaker), attempts=ATTEMPTS), maxlen=0)
    return _conclude(asking, job)


def plan_questionnaire(study: Study, options: QuestionnaireOptions) -> dict[str, Any]:
    """Say what `give` would do: the first prompt, and for each engine how many calls, tokens and dollars.

    Identical requests count once, and those that the journal answers do not count.
    """
    engines = load_engines(options.engines, options.limits)
    require_task(engines, "answers")
    job = _prepare(study, options, engines)
    spoken = [(one, PROMPTS, job.requests(as_)) for one, as_ in zip(engines, job.speakers, strict=True)]
    return plan_asked(study, spoken, stage=STAGE, wrote=(1.0, "one option")) | {
        "instruments": [design.instrument for design in job.designs],
        "forms": len(job.designs[0].forms),
        "respondents": [len(speaker.respondents) for speaker in job.speakers],
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


def _prepare(study: Study, options: QuestionnaireOptions, engines: Sequence[Engine]) -> _Job:
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
    if study.has(TABLE):
        known = study.scan(TABLE).select("respondent_id", *TARGETS).unique().collect()
        refuse_renamed(study, known, [(one.respondent_id, one.vector) for one in everybody + persona])
    return _Job(designs, speakers)


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
        **about_engines(engines, options.engines, options.limits),
    }


# ----------------------------------------------------------------------------------------------------------- concluding


def _parse(request: Request, reply: Reply) -> Said:
    return read_reply(reply, form_of(request))


def _conclude(asking: Asking, job: _Job) -> dict[str, Any]:
    """Write the table from the journal; raise what there is to raise, else say what was done."""
    study = asking.study
    now = pl.concat([pl.DataFrame(schema=RESPONSES), *_frames(study, job)])
    before = study.read(TABLE) if study.has(TABLE) else pl.DataFrame(schema=RESPONSES)
    whole = pl.concat([now, before.select(*RESPONSES).join(now, on=_IDENTITY, how="anti")])
    if whole.height or not asking.stopped:
        study.write(TABLE, whole.sort(SORTED_BY))
    refused = int((now["outcome"] == "refused").sum())
    notices = [f"{refused:,} of {now.height:,} answers are refusals"] if refused else []
    facts = {"responses": whole.height, "asked": now.height, "refused": refused}
    return asking.conclude(sum(map(job.size, job.speakers)), now.height, facts, notices)


def _frames(study: Study, job: _Job) -> Iterator[pl.DataFrame]:
    """Give the rows that the journal has an answer for, in parts."""
    accepted = study.journal.settled(STAGE)[0]
    rows: list[dict[str, Any]] = []
    for speaker in job.speakers:
        for design, respondent, form, item, request in job.asked(speaker):
            found = accepted.get(int(request.key, 16))
            if found is not None:
                rows.append(_row(speaker, design, respondent, form, item, study.journal.reply(found)))
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
        **dict(zip(TARGETS, target_values(respondent.vector), strict=True)),
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
