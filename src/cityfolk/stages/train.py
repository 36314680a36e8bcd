"""`train`: preference pairs become an adapter, one personality or any vector."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cityfolk.errors import StudyError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.pocket.arrays import weights_folder
from cityfolk.preferences.answers import choose_questions
from cityfolk.preferences.prompts import answer_messages
from cityfolk.preferences.records import TARGET_COLUMNS
from cityfolk.preferences.targets import Target, sobol
from cityfolk.reports.training import write_training_page
from cityfolk.rng import derive
from cityfolk.stages.step import Step, quiet
from cityfolk.stages.train_control import Asked, PersonaGauge, VectorGauge
from cityfolk.study.folder import Study
from cityfolk.training.card import write_card
from cityfolk.training.extras import require_extras
from cityfolk.training.job import Job
from cityfolk.training.recipe import Recipe, changed, load_recipe
from cityfolk.types import BigFive, content_key
from cityfolk.vocabulary import TRAITS

if TYPE_CHECKING:
    from cityfolk.engines.transformers_load import Place
    from cityfolk.training.job import Gauge
    from cityfolk.training.tokens import PairText

VERB = "train"
FOLDER = "adapters"
PERSONA, VECTORS = "persona", "vectors"
POCKET = "pocket"
CONTROL_VECTORS = 16
_SIDES = ("chosen_id", "rejected_id")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What `train` is asked for: a persona (the name of a target) or vectors; what is empty is the recipe's.

    `recipe` "" is "pocket-cpu" for the embedded model and "8b-one-gpu" for others; `pairs` "" is the table named like
    the persona, "vectors", or "all".
    """

    persona: str = ""
    vectors: bool = False
    model: str = ""
    recipe: str = ""
    name: str = ""
    pairs: str = ""
    objective: str = ""
    steps: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if bool(self.persona) == self.vectors:
            raise UsageError("what is to be trained is not clear", hint="give either --persona NAME or --vectors")

    @property
    def kind(self) -> str:
        """Return "persona" or "vectors"."""
        return VECTORS if self.vectors else PERSONA

    def adapter(self, objective: str) -> str:
        """Return the adapter's name: the persona in lower case or "vectors", with "-sft" for imitation."""
        name = self.name or (self.persona.lower() or VECTORS) + ("-sft" if objective == "sft" else "")
        if not _NAME.fullmatch(name):
            raise UsageError(f"an adapter cannot be named {name!r}", hint="a name is letters, digits, dots and dashes")
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything a training needs that needs no model: names, recipe, pairs, what control is measured by.

    `watched` are the held-out questions that choose the best checkpoint, their texts by their ids: control is measured
    on others.
    """

    name: str
    folder: Path
    recipe: Recipe
    table: str
    target: Target | None
    train: tuple[PairText, ...]
    held_out: tuple[PairText, ...]
    asked: tuple[Asked, ...]
    watched: dict[str, str]
    config: dict[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """Return what training.json says of it."""
        vector = self.target.vector if self.target else None
        return {
            "name": self.name,
            "kind": PERSONA if self.target else VECTORS,
            "target_name": self.target.name if self.target else "",
            "target": None if vector is None else [value for _, value in vector.items()],
            "table": self.table,
            "watched_questions": sorted(self.watched),
            "watched_texts": sorted(content_key(text) for text in self.watched.values()),
        }


def train_adapter(study: Study, options: TrainOptions, *, step: Step = quiet) -> dict[str, Any]:
    """Train adapters/NAME and return training.json with its notices; what was finished is only told again.

    Begun again after a kill, it goes on from its newest checkpoint. StudyError where the name has another config.
    """
    recipe = recipe_of(options)
    require_extras()
    from cityfolk.training.run import train

    place = place_of(recipe.model)
    ready = prepare_training(study, options, recipe, place)
    first = os.environ.get("RANK", "0") == "0"
    verb = f"{VERB} {FOLDER}/{ready.name}"
    if first:
        begin(study, verb, ready)
    done = _finished(study, verb, ready)
    if done is not None:
        return done
    if first:
        study.work(verb)
    job = Job(
        folder=ready.folder,
        place=place,
        recipe=ready.recipe,
        train=ready.train,
        held_out=ready.held_out,
        about=ready.about,
    )
    found = train(job, _gauge(ready), step)
    notices = found.pop("notices", [])
    if not ready.held_out:
        chosen = "chosen by measured control alone" if ready.asked else "the last one, since control is not measured"
        notices.append(f"there are no held-out pairs: the best checkpoint is {chosen}")
    if first:
        write_card(ready.folder)
        write_training_page(ready.folder)
        study.finish(verb, **{key: found[key] for key in ("steps", "best_step", "stopped_by", "tokens", "seconds")})
    return {**found, "adapter": str(ready.folder), "notices": notices, "again": False}


def recipe_of(options: TrainOptions) -> Recipe:
    """Return the recipe with what the command line asks for instead; UsageError where it asks wrongly."""
    name = options.recipe or ("pocket-cpu" if options.model in ("", POCKET) else "8b-one-gpu")
    values: dict[str, Any] = {
        "model": options.model or None,
        "objective": options.objective or None,
        "steps": options.steps,
        "seed": options.seed,
    }
    recipe = load_recipe(name)
    if options.objective and not options.objective.startswith("dpo"):
        values["label_smoothing"] = 0.0
    return changed(recipe, **values)


def place_of(model: str) -> Place:
    """Find a model: the embedded one, a folder, or a repository."""
    from cityfolk.engines.transformers_load import find_model

    return replace(find_model(str(weights_folder())), name=POCKET) if model == POCKET else find_model(model)


def prepare_training(study: Study, options: TrainOptions, recipe: Recipe, place: Place) -> Prepared:
    """Check everything that is asked and read the pairs; UsageError or StudyError where they are not there."""
    table = _table(study, options)
    pairs = _of_target(study.read(table), options, table)
    if options.seed is None and not recipe.seed:
        recipe = changed(recipe, seed=study.seed())
    target = None
    if options.persona:
        vector = {trait: pairs[0, column] for trait, column in zip(TRAITS, TARGET_COLUMNS, strict=True)}
        target = Target(name=options.persona, vector=BigFive(**vector))
    train = pairs.filter(pl.col("split") != "held-out")
    if train.is_empty():
        raise UsageError(
            f"all {pairs.height:,} pairs of {table} are of held-out topics",
            hint="make pairs of the other topics: `cityfolk pair DIR --split all`",
        )
    name, texts, questions = options.adapter(recipe.objective), _texts(study), study.read("questions")
    held_out = pairs.filter(pl.col("split") == "held-out")
    watchable = _watchable(questions, held_out["question_id"].to_list())
    held_out = held_out.filter(pl.col("question_id").is_in(watchable["question_id"].to_list()))
    asked = _asked(watchable if watchable.height else questions, target, recipe)
    config = {
        "kind": options.kind,
        "target": options.persona,
        "pairs": table,
        "pairs_sha256": study.manifest["tables"].get(table, {}).get("sha256"),
        **recipe.fixed(),
        "model": str(place),
    }
    return Prepared(
        name=name,
        folder=study.folder / FOLDER / name,
        recipe=recipe,
        table=table,
        target=target,
        train=_pair_texts(train, texts, recipe, options.vectors),
        held_out=_pair_texts(held_out, texts, recipe, options.vectors),
        asked=tuple(asked),
        watched={key: texts[0][key] for key in ({one.id for one in asked} | set(held_out["question_id"]))},
        config=config,
    )


def begin(study: Study, verb: str, ready: Prepared) -> None:
    """Record the config before any work; StudyError names the keys that differ from an earlier training's."""
    begun = (ready.folder / "checkpoints").exists() or (ready.folder / "training.json").exists()
    free = {key: value for key, value in ready.recipe.document().items() if key not in ready.config}
    try:
        study.begin(verb, ready.config, free=free, fresh=not begun)
    except StudyError as error:
        raise StudyError(
            str(error), hint="give this adapter a --name of its own, or repeat the earlier options"
        ) from error


def _finished(study: Study, verb: str, ready: Prepared) -> dict[str, Any] | None:
    """Return what a finished training of this config has told, None where it has to be done."""
    record = ready.folder / "training.json"
    whole = record.exists() and (ready.folder / "adapter_model.safetensors").exists()
    if "ended" not in study.manifest["stages"].get(verb, {}) or not whole:
        return None
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{record} cannot be read: {error}", hint="delete it and run the same command") from error
    return {**found, "adapter": str(ready.folder), "notices": [], "again": True}


def _gauge(ready: Prepared) -> Gauge | None:
    if not ready.asked:
        return None
    if ready.target:
        return PersonaGauge(ready.asked, ready.recipe.seed)
    return VectorGauge(ready.asked, ready.recipe.wordings)


def _table(study: Study, options: TrainOptions) -> str:
    there = study.tables_in("pairs")
    wanted = [options.pairs] if options.pairs else [options.persona or VECTORS, "all"]
    for name in wanted:
        table = name if name.startswith("pairs/") else f"pairs/{name}"
        if table in there:
            return table
    if not options.pairs and len(there) == 1:
        return there[0]
    if not there:
        raise StudyError(
            f"{study.folder} has no pairs", hint="make some: `cityfolk pair DIR`, after `answer` and `judge`"
        )
    named = ", ".join(table.removeprefix("pairs/") for table in there)
    raise UsageError(f"{study.folder} has no pairs {' or '.join(wanted)}", hint=f"give --pairs with one of {named}")


def _of_target(pairs: pl.DataFrame, options: TrainOptions, table: str) -> pl.DataFrame:
    """Return the pairs of the persona, or of all targets but the archetypes, which stay for measuring."""
    named = sorted(pairs["target_name"].unique().to_list())
    if options.persona:
        found = pairs.filter(pl.col("target_name") == options.persona)
        if found.is_empty():
            raise UsageError(
                f"{table} has no pairs for {options.persona!r}", hint=f"it has {', '.join(named[:8])}; see --pairs"
            )
        return found
    found = pairs.filter(~pl.col("target_name").is_in(list(ARCHETYPES)))
    if found.is_empty():
        raise UsageError(
            f"{table} has pairs for no vector but the archetypes",
            hint="have some answered: `cityfolk answer DIR --targets sobol:32`, then judge and pair them",
        )
    return found


def _texts(study: Study) -> tuple[dict[str, str], dict[str, str]]:
    """Return the questions' texts and the answers', by id."""
    questions = study.read("questions").select("question_id", "text").iter_rows()
    answers = study.scan("answers").select("answer_id", "text").collect().iter_rows()
    return dict(questions), dict(answers)


def _pair_texts(
    pairs: pl.DataFrame, texts: tuple[dict[str, str], dict[str, str]], recipe: Recipe, vectors: bool
) -> tuple[PairText, ...]:
    """Return pairs as texts; a pair's wording of its vector follows from the recipe's seed and the pair's name."""
    from cityfolk.training.tokens import PairText

    questions, answers = texts
    made = []
    for row in pairs.sort("question_id", "target_name", "strategy", "chosen_id", "rejected_id").iter_rows(named=True):
        if row["question_id"] not in questions or any(row[key] not in answers for key in _SIDES):
            raise StudyError(
                f"a pair of {row['question_id']} names a question or an answer that is not in the study",
                hint="make the pairs again: `cityfolk pair DIR`",
            )
        vector = BigFive(**{trait: row[column] for trait, column in zip(TRAITS, TARGET_COLUMNS, strict=True)})
        name = f"{row['question_id']} {row['target_name']} {row['strategy']}"
        wording = recipe.wordings[derive(recipe.seed, "training", "wording", name) % len(recipe.wordings)]
        made.append(
            PairText(
                name=name,
                messages=answer_messages(questions[row["question_id"]], vector if vectors else None, wording),
                chosen=answers[row["chosen_id"]],
                rejected=answers[row["rejected_id"]],
            )
        )
    return tuple(made)


def _watchable(questions: pl.DataFrame, paired: Collection[str]) -> pl.DataFrame:
    """Return the questions that a training may look at: of every held-out topic the first, third, ... are left alone.

    Control is measured on those afterwards. `paired` are the ids with pairs: where pairs are on none of the others,
    or there are no others, those of a topic that have pairs are looked at.
    """
    held = questions.filter(pl.col("split") == "held-out").sort("question_id")
    usable = pl.col("paired") | ~pl.col("paired").any().over("topic")
    second = pl.col("place") % 2 == 1
    looked_at = pl.when((usable & second).any().over("topic")).then(second).otherwise(usable)
    return (
        held.with_columns(
            paired=pl.col("question_id").is_in(list(paired)),
            place=pl.int_range(pl.len()).over("topic"),
        )
        .filter(looked_at)
        .drop("paired", "place")
    )


def _asked(questions: pl.DataFrame, target: Target | None, recipe: Recipe) -> list[Asked]:
    """Return what control is measured by: questions under the target, or under vectors of their own."""
    if not recipe.answers:
        return []
    topic = dict(questions.select("question_id", "topic").iter_rows())
    chosen = choose_questions(questions, limit=recipe.answers)
    if target is not None:
        return [Asked(id=name, question=text, topic=topic[name], target=target) for name, text in chosen]
    vectors = sobol(min(CONTROL_VECTORS, recipe.answers), derive(recipe.seed, "training", "control"))
    places = range(recipe.answers)
    found = [(chosen[place % len(chosen)], vectors[place % len(vectors)]) for place in places]
    return [Asked(id=name, question=text, topic=topic[name], target=vector) for (name, text), vector in found]
