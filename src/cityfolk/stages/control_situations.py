"""The part "situations" of control: the same vectors choose what to do in forty situations; word against deed."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from cityfolk.evaluation.control.deeds import (
    WORDS,
    Method,
    agreement_findings,
    deeds_method,
    situation_findings,
    text_method,
)
from cityfolk.evaluation.control.situations import (
    PROMPTS,
    SITUATIONS,
    SORTED_BY,
    deeds,
    prompt_hash,
    read_reply,
    requests,
    situations,
)
from cityfolk.evaluation.control.trials import trials_of
from cityfolk.evaluation.control.unseen import unseen
from cityfolk.evaluation.preferences.tables import CALIBRATED, TARGETS, UNTARGETED, Z, matrix
from cityfolk.evaluation.psychometrics.administration import Respondent, Said
from cityfolk.evaluation.psychometrics.reliability import alpha
from cityfolk.evaluation.psychometrics.scoring import keyed, trait_positions, z_scores
from cityfolk.evaluation.psychometrics.sheets import sheets
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.preferences.targets import parse_targets
from cityfolk.stages.ask_control import AskOptions, adapter_in
from cityfolk.stages.control_estimates import CHOICE, estimated
from cityfolk.stages.control_jobs import Speaker, asking, speakers_of
from cityfolk.stages.measure_control import has_control
from cityfolk.stages.measure_pairs import preferences_of
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.unseen import trainings_of
from cityfolk.study.folder import Study
from cityfolk.types import Finding, Request

NAME = TABLE = VERB = "situations"
SIZES = MappingProxyType({"quick": (16, 1), "standard": (64, 2), "full": (64, 4)})
"""Preset -> vectors, orders of the options."""
_READERS = ("rater", "grammar")  # whose reading of free text is held against deeds, the last that there is


def plan(options: AskOptions, study: Study | None = None) -> dict[str, Any]:
    """Say what is asked before anybody is asked; with a study also what is open, tokens and cost."""
    vectors, orders = SIZES[options.preset]
    personas = sum(1 for name in options.engines if options.persona and adapter_in(name))
    respondents = personas + (len(options.engines) - personas) * (vectors + 1)
    items = len(situations())
    words = (
        f"{items} situations with four things to do, in {orders} order{'s' if orders > 1 else ''} of the options, "
        f"by {respondents:,} respondents: personalities, and each model without one"
    )
    told: dict[str, Any] = {"calls": respondents * items * orders, "words": words}
    if study is not None:
        seed = study.seed(options.seed)
        targets = parse_targets((f"sobol:{vectors}", "none"), None, seed)

        def asked(speaker: Speaker) -> Iterator[Request]:
            for *_, request in requests(speaker.respondents(targets), speaker.model, orders=orders, seed=seed):
                yield request

        told["asked"] = [estimated(study, speakers_of(options), asked, stage=VERB, prompt=PROMPTS, wrote=CHOICE)]
    return told


def give(study: Study, options: AskOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Have every engine choose: situations.parquet, beside what was asked for earlier."""
    vectors, orders = SIZES[options.preset]
    seed = study.seed(options.seed)
    targets = parse_targets((f"sobol:{vectors}", "none"), None, seed)
    speakers = speakers_of(options)
    config = {"seed": seed, "prompt": PROMPTS, "prompt_hash": prompt_hash()}
    free = {"vectors": vectors, "orders": orders}
    rows: list[dict[str, Any]] = []
    with asking(study, options, speakers, verb=VERB, table=TABLE, config=config, free=free, step=step) as job:
        for speaker in speakers:
            asked = speaker.respondents(targets)
            stream = (request for *_, request in requests(asked, speaker.model, orders=orders, seed=seed))
            said = job.ask(speaker, stream, read_reply, len(asked) * len(situations()) * orders)
            rows += _rows(speaker, asked, said, orders, seed)
        made = pl.DataFrame(rows, schema=SITUATIONS)
        whole = job.keep(TABLE, made, SORTED_BY, SORTED_BY)
        refused = int((made["outcome"] == "refused").sum())
        notices = [f"{refused:,} of {made.height:,} choices are refusals"] if refused else []
        return job.conclude(notices, choices=whole.height)


def _rows(
    speaker: Speaker, asked: tuple[Respondent, ...], said: dict[str, Said], orders: int, seed: int
) -> Iterator[dict[str, Any]]:
    for respondent, item, order, request in requests(asked, speaker.model, orders=orders, seed=seed):
        one = said.get(request.key)
        if one is not None:
            yield {
                **speaker.columns(respondent),
                "item_id": item.id,
                "option_order": order,
                "value": one.value,
                **{f"p{key}": share for key, share in enumerate(one.probabilities or (None,) * 4)},
                "outcome": one.outcome,
                "text": "",
                "prompt_hash": prompt_hash(),
                "seed": seed,
            }


def has(study: Study) -> bool:
    """Say whether anybody chose."""
    return study.has(TABLE)


def evidence(study: Study, *, step: Step = quiet) -> list[Finding]:
    """Return the findings `control.situations.`; with a questionnaire or free text, how word and deed agree."""
    step("evaluate situations", 0, 2, "")
    seed = study.config(VERB)["seed"]
    found: list[Finding] = []
    with threadpool_limits(limits=1, user_api="blas"):
        chosen = deeds(study.read(TABLE))
        for sheet in chosen:
            found += situation_findings(sheet)
        step("evaluate situations", 1, 2, "word and deed")
        said, read = _words(study), _texts(study)
        for sheet in chosen:
            if sheet.condition == UNTARGETED:
                continue
            key = sheet.model, sheet.condition
            methods = [one for one in (said.get(key), read.get(key)) if one is not None]
            found += agreement_findings([*methods, deeds_method(sheet)], *key, seed)
    step("evaluate situations", 2, 2, "")
    return found


def _words(study: Study) -> dict[tuple[str, str], Method]:
    """Return what each model said of itself in the questionnaire under each condition."""
    if not study.has("responses"):
        return {}
    found = {}
    for sheet in sheets(study.read("responses")):
        known = np.asarray(np.isfinite(sheet.target).all(axis=1))
        if sheet.instrument != INSTRUMENT or not known.any():
            continue
        answers = sheet.answers[known]
        items = keyed(answers, INSTRUMENT)
        places = trait_positions(INSTRUMENT)
        reliable = tuple(alpha(items[:, own]).value if known.sum() > 2 else float("nan") for own in places)
        names = tuple(name for name, there in zip(sheet.respondents, known, strict=True) if there)
        found[sheet.model, sheet.condition] = Method(
            name=WORDS, respondents=names, scores=z_scores(answers, INSTRUMENT), reliability=reliable
        )
    return found


def _texts(study: Study) -> dict[tuple[str, str], Method]:
    """Return what the embedded model's grammar (else the shipped rater) reads in each model's free text."""
    if not has_control(study):
        return {}
    data, _ = unseen(preferences_of(study), trainings_of(study))
    trials = trials_of(data)
    rows = trials.rows.filter(pl.col(TARGETS[0]).is_not_null())
    found: dict[tuple[str, str], Method] = {}
    for judge in _READERS:
        if trials.scales.get(judge) != CALIBRATED:
            continue
        own = rows.filter(pl.col("judge") == judge)
        for (model, condition), part in own.partition_by("model", "condition", as_dict=True).items():
            method = text_method(part["target_name"].to_list(), part["topic"].to_list(), matrix(part, Z))
            if method is not None and np.isfinite(method.scores).all(axis=1).sum() > 2:
                found[str(model), str(condition)] = method
    return found
