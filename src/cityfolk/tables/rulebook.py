"""What a rule is, and the book they are written in.

A rule is a function that returns an expression: true for each person (or household) that breaks it. A null counts as
"does not break it", so a rule about missing values says is_null. Rules see one row a person, with hh_<column> of their
household and the columns of `HOUSEHOLD_SUMS` about the other members (rules.py makes them), or one row a household.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

Of = Literal["person", "household"]
Expression = Callable[[], pl.Expr]

ACS = "American Community Survey 2024 subject definitions"
NIST = "NIST SDNist, edit constraints of the ACS data dictionary"
STUDY = "the tables of a cityfolk study"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that no person (or household) may be: `offends` is true for those who are."""

    name: str
    sentence: str
    source: str
    of: Of
    offends: pl.Expr

    @property
    def needs(self) -> frozenset[str]:
        """Return the columns that the rule looks at."""
        return frozenset(self.offends.meta.root_names())


BOOK: dict[str, Rule] = {}


def rule(of: Of, sentence: str, source: str = ACS) -> Callable[[Expression], Expression]:
    """Write a function into the book under its own name."""

    def add(function: Expression) -> Expression:
        BOOK[function.__name__] = Rule(function.__name__, sentence, source, of, function())
        return function

    return add


def known(column: str) -> pl.Expr:
    """Return whether this place's tables hold an attribute at all; where they do not it is null for everybody."""
    return pl.col(column).is_not_null().any()


def differ(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return where exactly one of two conditions holds; a null condition does not hold."""
    return a.fill_null(False) != b.fill_null(False)
