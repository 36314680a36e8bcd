"""Judges by name: `rater`, `lexicon`, `grammar`, `classifier:REPO_OR_FOLDER`, or any engine's name.

People are judges too, under "people:NAME", but they are read from a sheet (`sheets`).
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal

from cityfolk.engines.registry import load_engine
from cityfolk.engines.spec import split_name
from cityfolk.errors import UsageError
from cityfolk.preferences.judging.base import Judge
from cityfolk.preferences.judging.classifier import PREFIX, load_classifier
from cityfolk.preferences.judging.llm import LLMJudge, Looks
from cityfolk.preferences.judging.local import GrammarJudge, LexiconJudge, RaterJudge
from cityfolk.study.journal import Journal

Kind = Literal["local", "classifier", "engine"]
PEOPLE = "people:"
LOCAL: dict[str, Callable[[], Judge]] = {"rater": RaterJudge, "lexicon": LexiconJudge, "grammar": GrammarJudge}


def kind_of(name: str) -> Kind:
    """Say what sort of judge a name stands for; UsageError for people, who are asked otherwise."""
    if name in LOCAL:
        return "local"
    if name.startswith(PREFIX):
        return "classifier"
    if name.startswith(PEOPLE):
        who = name.removeprefix(PEOPLE) or "NAME"
        raise UsageError(f"{name} cannot be asked by a program", hint=f"make a sheet with `--people {who}`")
    return "engine"


def load_judge(name: str, *, journal: Journal | None = None, looks: Looks | None = None, seed: int = 0) -> Judge:
    """Make the judge that a name stands for; a language model needs a journal, in which its replies are kept.

    Raises UsageError for a name that nobody has, with the nearest one.
    """
    kind = kind_of(name)
    if kind == "local":
        return LOCAL[name]()
    if kind == "classifier":
        return load_classifier(name)
    check_engine_name(name)
    if journal is None:
        raise UsageError(f"{name} is a language model and needs a journal", hint="give journal=Journal(PATH)")
    return LLMJudge(engine=load_engine(name), journal=journal, looks=looks or Looks(), seed=seed)


def check_engine_name(name: str) -> None:
    """Raise UsageError for what is nearly the name of a judge that ships with the package."""
    near = get_close_matches(split_name(name)[0], [*LOCAL, "classifier"], n=1, cutoff=0.75)
    if near:
        raise UsageError(f"there is no judge named {name!r}", hint=f"did you mean {near[0]!r}?")
