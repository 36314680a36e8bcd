"""`counterfactual`: citizens who were written are written again with one attribute swapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import polars as pl

from cityfolk.engines.ask import Progress
from cityfolk.engines.base import Engine
from cityfolk.engines.registry import load_engine
from cityfolk.errors import IncompleteError, UsageError
from cityfolk.people.names import draw_names
from cityfolk.profiles.counterfactual import COLUMN, CannotSwap, parse_swap, swap
from cityfolk.profiles.prompts import prompt_name
from cityfolk.profiles.records import citizens
from cityfolk.profiles.write import PROFILE_SCHEMA, REFLECT_STAGE, STAGE, write_profiles
from cityfolk.stages.engines import Limits, equipped, load_engines
from cityfolk.stages.people import place_of
from cityfolk.stages.step import Step, quiet
from cityfolk.study.folder import Study
from cityfolk.types import Citizen, Failure, Person, Sampling, content_key

TABLE = "counterfactuals"
SWAPPED, SWAPPED_REFLECT = "counterfactual", "counterfactual-reflect"
COUNTERFACTUAL_SCHEMA: dict[str, pl.DataType] = {
    "attribute": pl.String(),
    "value_drawn": pl.String(),
    "value_swapped": pl.String(),
    "variant": pl.String(),
    "sample": pl.Int16(),
    **PROFILE_SCHEMA,
}
"""counterfactuals.parquet: two rows a pair and sample, variant "drawn" and "swapped"; the rest as in profiles."""
_KEY = ["attribute", "value_swapped", "person_id", "engine", "model", "sample", "variant"]


@dataclass(frozen=True, kw_only=True)
class CounterfactualOptions:
    """What is swapped ("origin=Haiti"), for how many of the cohort, how often each is written, and by whom.

    No engines: those that wrote the study. Samples beyond the first show how much two texts of one citizen differ.
    """

    swaps: Sequence[str]
    n: int = 50
    samples: int = 1
    engines: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)


def write_counterfactuals(study: Study, options: CounterfactualOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Write pairs of one citizen, as drawn and swapped: counterfactuals.parquet, beside the pairs of earlier swaps.

    Citizens are the first of the cohort whom the swap fits; texts that the study has are taken from its journal. Raises
    UsageError where a swap fits nobody, IncompleteError where some texts could not be written.
    """
    swaps = [parse_swap(text) for text in dict.fromkeys(options.swaps)]
    if not swaps:
        raise UsageError("nothing is swapped", hint="for example --swap origin=Haiti")
    study.refuse_imported("written again")
    written = study.config("write")
    engines = load_engines(options.engines or _engines_of(study), options.limits)
    everybody = _cohort(study)
    naming = _naming(study)
    pairs = {one: _pairs(everybody, *one, options.n, naming) for one in swaps}
    study.begin(
        "counterfactual",
        {"write": content_key(written)},
        free={"swaps": list(options.swaps), "n": options.n, "samples": options.samples},
    )
    study.work("counterfactual")
    job = _Job(study, written, options.samples, step, sum(2 * len(found) for found, _ in pairs.values()) * len(engines))
    with equipped(study, engines, options.limits) as ready:
        for engine in ready:
            for (attribute, _), (found, _) in pairs.items():
                job.write(engine, attribute, found)
    _keep(study, job)
    skipped = {_label(one): refused for one, (_, refused) in pairs.items()}
    counts = {_label(one): len(found) for one, (found, _) in pairs.items()}
    study.finish("counterfactual", pairs=counts, skipped=skipped, seconds=round(perf_counter() - job.began, 1))
    if job.failures:
        raise IncompleteError(
            f"{len(job.failures)} texts of counterfactual pairs could not be written; the others are kept",
            hint=f"see {study.folder / 'failures.jsonl'}; the same command tries them again",
        )
    return {"pairs": counts, "skipped": skipped, "engines": [engine.name for engine in engines]}


@dataclass(slots=True)
class _Job:
    study: Study
    config: dict[str, Any]
    samples: int
    step: Step
    texts: int
    rows: list[pl.DataFrame] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    done: int = 0
    began: float = field(default_factory=perf_counter)

    def write(self, engine: Engine, attribute: str, pairs: Sequence[tuple[Citizen, Citizen]]) -> None:
        """Write both sides of every pair; the side as drawn comes from the study's own calls where it is there."""
        for sample in range(self.samples):
            for variant, side in (("drawn", 0), ("swapped", 1)):
                chosen = [pair[side] for pair in pairs]
                own = variant == "drawn" and sample == 0
                frame = self._side(
                    engine, chosen, sample, (STAGE, REFLECT_STAGE) if own else (SWAPPED, SWAPPED_REFLECT)
                )
                values = pl.DataFrame(
                    {
                        "person_id": [drawn.person.person_id for drawn, _ in pairs],
                        "value_drawn": [str(getattr(drawn.person, COLUMN[attribute])) for drawn, _ in pairs],
                        "value_swapped": [str(getattr(other.person, COLUMN[attribute])) for _, other in pairs],
                    },
                    schema_overrides={"person_id": pl.Int32},
                )
                self.rows.append(
                    frame.join(values, on="person_id")
                    .with_columns(
                        attribute=pl.lit(attribute), variant=pl.lit(variant), sample=pl.lit(sample, dtype=pl.Int16)
                    )
                    .select(pl.col(name).cast(kind) for name, kind in COUNTERFACTUAL_SCHEMA.items())
                )

    def _side(self, engine: Engine, chosen: list[Citizen], sample: int, stages: tuple[str, str]) -> pl.DataFrame:
        before = self.done

        def told(progress: Progress) -> None:
            self.step("counterfactual", min(before + progress.settled, self.texts), self.texts, "")

        written = write_profiles(
            self.study.journal,
            engine,
            chosen,
            depth=self.config["depth"],
            sampling=replace(Sampling(**self.config["sampling"]), sample=sample),
            form=_form(self.config, engine),
            stages=stages,
            again=True,
            on_progress=told,
        )
        self.done = before + len(chosen)
        self.failures += [replace(failure, stage=SWAPPED) for failure in written.failures]
        return written.profiles


def _pairs(
    everybody: Sequence[Citizen], attribute: str, to: str, n: int, naming: Callable[[Person], str]
) -> tuple[list[tuple[Citizen, Citizen]], int]:
    """Return up to n pairs (as drawn, swapped) in the order of the cohort, and how many were passed over."""
    found: list[tuple[Citizen, Citizen]] = []
    refused, why = 0, ""
    for citizen in everybody:
        if len(found) == n:
            break
        try:
            found.append((citizen, swap(citizen, attribute, to, naming=naming)))
        except CannotSwap as error:
            refused, why = refused + 1, str(error)
    if not found:
        raise UsageError(
            f"the swap {_label((attribute, to))} fits nobody of the {len(everybody)} who were chosen; the last: {why}",
            hint="choose another value, or write more people first",
        )
    return found, refused


def _label(swapped: tuple[str, str]) -> str:
    return "=".join(part for part in swapped if part)


def _cohort(study: Study) -> list[Citizen]:
    people, households, cohort = (study.read(name) for name in ("people", "households", "cohort"))
    return list(citizens(people, households, cohort, place_of(study).title))


def _engines_of(study: Study) -> list[str]:
    """Return the specs of the engines that wrote the study, as far as its manifest tells."""
    free = study.manifest["stages"]["write"].get("free", {})
    if free.get("specs"):
        return list(free["specs"])
    names, models = free.get("engines", ["pocket"]), free.get("models", [])
    if set(names) <= {"pocket"} and set(models) <= {load_engine("pocket").model}:
        return ["pocket"]
    known = ", ".join(f"{name} ({model})" for name, model in zip(names, models, strict=False)) or ", ".join(names)
    raise UsageError(f"say with --engine who writes the pairs; the study was written by {known}", hint="--engine NAME")


def _form(config: dict[str, Any], engine: Engine) -> Any:
    """Return the form of the prompt that the study's first engine had; others get the one that suits them."""
    if engine.model != config["model"]:
        return None
    return next(form for form in ("short", "full") if prompt_name(config["depth"], form) == config["prompt"])


def _naming(study: Study) -> Callable[[Person], str]:
    """Return who names people of this study: the same person with the same facts gets the same name again."""
    seed, place = study.config("people")["seed"], place_of(study).name

    def name(person: Person) -> str:
        drawn = draw_names(
            [person.person_id],
            [person.sex],
            [person.age],
            [person.race_ethnicity or ""],
            [person.birthplace],
            [person.nativity],
            [person.language_home or ""],
            seed,
            place,
        )
        return str(drawn[0])

    return name


def _keep(study: Study, job: _Job) -> None:
    """Write the table: these pairs in place of earlier ones of the same swap, person, engine and sample."""
    new = pl.concat(job.rows)
    if study.has(TABLE):
        old = study.read(TABLE).join(new.select(_KEY), on=_KEY, how="anti")
        new = pl.concat([old, new])
    study.write(TABLE, new.sort(_KEY))
    study.replace_failures(SWAPPED, job.failures)
