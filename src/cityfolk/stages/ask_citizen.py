"""`ask`: a conversation with a citizen who was written, kept in the study and remembered.

The journal is the memory: each answered question is a row of stage "ask", labelled with the citizen, the conversation
and the turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cityfolk.engines.ask import ask
from cityfolk.engines.base import Engine
from cityfolk.engines.registry import load_engine
from cityfolk.errors import IncompleteError, UsageError
from cityfolk.profiles.conversation import STAGE, Turn, question_request, read_answer
from cityfolk.profiles.records import citizens
from cityfolk.stages.people import place_of
from cityfolk.study.folder import JOURNAL, Study
from cityfolk.types import Citizen, Failure, Reply

_LABEL = re.compile(r"person (\d+) conversation (\d+) turn (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a citizen said: in which conversation and turn, by which engine, and how many turns it no longer saw."""

    person_id: int
    name: str
    question: str
    text: str
    engine: str
    model: str
    conversation: int
    turn: int
    left_out: int = 0


class Talk:
    """One citizen of an open study, ready to be asked.

    `engine` is the name of an engine; without one it is the one that wrote the citizen. `new` begins another
    conversation; otherwise the last one goes on, whichever engine led it so far.
    """

    def __init__(self, study: Study, person_id: int, *, engine: str = "", new: bool = False) -> None:
        self.study = study
        self.citizen, self.profile = _written(study, person_id)
        self.engine = load_engine(engine) if engine else _writer(study, self.profile)
        conversation, self.turns = remembered(study, person_id)
        if new or not conversation:
            conversation, self.turns = conversation + 1, []
        self.conversation = conversation

    def ask(self, question: str) -> Answer:
        """Ask and wait for the answer, which is in the journal when this returns.

        Raises UsageError for an empty question and IncompleteError where the model gives no usable answer.
        """
        question = " ".join(question.split())
        if not question:
            raise UsageError("the question is empty", hint='such as cityfolk ask DIR 12 "What do you do on Sundays?"')
        person = self.citizen.person
        turn = len(self.turns) + 1
        request, left_out = question_request(
            self.citizen,
            self.profile,
            self.turns,
            question,
            model=self.engine.model,
            seed=self.study.config("people")["seed"] + self.conversation,
            label=f"person {person.person_id} conversation {self.conversation} turn {turn}: {question}",
        )
        replies = ask(
            self.study.journal, self.engine, [request], lambda _, reply: read_answer(reply), stage=STAGE, again=True
        )
        (result,) = (result for _, result in replies)
        if isinstance(result, Failure):
            raise IncompleteError(
                f"{person.name} did not answer: {result.reason}", hint="ask again, or with another engine: --engine"
            )
        self.turns.append(Turn(question, result))
        return Answer(
            person_id=person.person_id,
            name=person.name,
            question=question,
            text=result,
            engine=self.engine.name,
            model=self.engine.model,
            conversation=self.conversation,
            turn=turn,
            left_out=left_out,
        )


class CitizenOfStudy:
    """A written citizen by the folder of their study: `cityfolk.citizen("demo", 12).ask("How are you?")`.

    The folder is held while an answer is made, and let go between answers.
    """

    def __init__(self, folder: Path, person_id: int, *, engine: str = "", new: bool = False) -> None:
        self.folder, self.person_id, self.engine = folder, person_id, engine
        self._new = new
        with Study.open(folder, read_only=True) as study:
            self.facts, self.profile = _written(study, person_id)

    def ask(self, question: str) -> str:
        """Return what the citizen answers; the conversation is remembered, in this process and in later ones."""
        with Study.open(self.folder) as study:
            answer = Talk(study, self.person_id, engine=self.engine, new=self._new).ask(question)
        self._new = False
        return answer.text

    @property
    def conversation(self) -> list[Turn]:
        """What was said so far in the present conversation."""
        with Study.open(self.folder, read_only=True) as study:
            return [] if self._new else remembered(study, self.person_id)[1]

    def __repr__(self) -> str:
        return f"<{self.facts.person.name}, {self.facts.person.age}, of {self.facts.place}>"


def citizen(study: Study | Path | str, person_id: int, *, engine: str = "", new: bool = False) -> Talk | CitizenOfStudy:
    """Return a written citizen to talk to: of an open study, or of a study's folder.

    UsageError if there is nobody of that number or they were not written.
    """
    if isinstance(study, Study):
        return Talk(study, person_id, engine=engine, new=new)
    return CitizenOfStudy(Path(study), person_id, engine=engine, new=new)


def remembered(study: Study, person_id: int) -> tuple[int, list[Turn]]:
    """Return the number of a citizen's latest conversation (0: none yet) and its turns."""
    path = study.folder / JOURNAL
    if not path.exists():
        return 0, []
    rows = study.journal.accepted(STAGE, f"person {person_id} conversation ")
    last: dict[int, dict[int, Turn]] = {}
    for label, text in rows:
        found = _LABEL.fullmatch(label)
        if found is not None:
            conversation, turn, question = int(found[2]), int(found[3]), found[4]
            last.setdefault(conversation, {})[turn] = Turn(question, read_answer(Reply(text=text, model="")))
    if not last:
        return 0, []
    number = max(last)
    return number, [last[number][turn] for turn in sorted(last[number])]


def _written(study: Study, person_id: int) -> tuple[Citizen, dict[str, Any]]:
    """Return a citizen's facts, as the model was given them, and the profile that was written first."""
    study.refuse_imported("asked")
    people = study.read("people")
    if people.filter(pl.col("person_id") == person_id).is_empty():
        raise UsageError(
            f"there is no person {person_id} in {study.folder}", hint=f"person_id runs from 0 to {people.height - 1}"
        )
    profiles = study.read("profiles") if study.has("profiles") else None
    mine = None if profiles is None else profiles.filter(pl.col("person_id") == person_id)
    if profiles is None or mine is None or mine.is_empty():
        some = [] if profiles is None else profiles["person_id"].unique().sort().head(5).to_list()
        known = f"those who were: {', '.join(map(str, some))} ..." if some else f"run `cityfolk write {study.folder}`"
        raise UsageError(f"person {person_id} of {study.folder} has not been written", hint=known)
    models = study.manifest["stages"].get("write", {}).get("free", {}).get("models", [])
    order = {name: number for number, name in enumerate(models)}
    row = min(mine.iter_rows(named=True), key=lambda row: order.get(row["model"], len(order)))
    cohort = study.read("cohort").filter(pl.col("person_id") == person_id)
    (found,) = citizens(people, study.read("households"), cohort, place_of(study).title)
    return found, row


def _writer(study: Study, profile: dict[str, Any]) -> Engine:
    """Load the engine that wrote a profile again, if its name is enough for that."""
    specs = study.manifest["stages"].get("write", {}).get("free", {}).get("specs", [])
    for spec in specs:
        engine = load_engine(spec)
        if engine.model == profile["model"] and profile["engine"] in (engine.name, f"{engine.name}:{engine.model}"):
            return engine
    if profile["engine"] == "pocket":
        engine = load_engine("pocket")
        if engine.model == profile["model"]:
            return engine
    raise UsageError(
        f"the engine that wrote this citizen ({profile['engine']}, {profile['model']}) cannot be found by its name",
        hint="name one with --engine",
    )
