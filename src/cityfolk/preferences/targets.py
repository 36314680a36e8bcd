"""Which personalities are asked for: archetypes, a space-filling set, vectors of people of the city, vectors of a file.

A target's name and vector never depend on how many others are asked for, so asking for more later adds to what there
is and changes nothing of it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from cityfolk.errors import DataError, UsageError
from cityfolk.personality.archetypes import ARCHETYPES
from cityfolk.rng import child, uniform_at
from cityfolk.types import BigFive
from cityfolk.vocabulary import TRAITS

if TYPE_CHECKING:
    from cityfolk.study.folder import Study

SOBOL_LOW, SOBOL_HIGH = 0.02, 0.98
ADULT = 18  # years
_MOST = 1 << 20  # points of a Sobol sequence; far beyond what anybody can have answered
_WORDS = ("archetypes", "sobol:N", "people:N", "none", *ARCHETYPES)
_OURS = re.compile(r"(sobol|person)-\d+")
_EXAMPLE = "such as --targets archetypes,sobol:32,people:20,none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A personality that answers are asked for: its name, and its vector in percentiles; both empty for none."""

    name: str = ""
    vector: BigFive | None = None

    def __post_init__(self) -> None:
        if bool(self.name) != (self.vector is not None):
            raise DataError(f"the target {self.name!r} has the vector {self.vector}", hint="give both or neither")


UNTARGETED = Target()
"""No personality is asked for."""


def archetypes() -> tuple[Target, ...]:
    """Return the four archetypes."""
    return tuple(Target(name=name, vector=vector) for name, vector in ARCHETYPES.items())


def sobol(n: int, seed: int) -> tuple[Target, ...]:
    """Return the first n points of a scrambled Sobol sequence in the cube of percentiles .02 to .98.

    The first n of n + m points are these n. Owen's scrambling (1998, "Scrambling Sobol' and Niederreiter-Xing points",
    Journal of Complexity 14), drawn by the seed; n a power of two fills the cube best.
    """
    if not 1 <= n <= _MOST:
        raise UsageError(f"a space-filling set cannot have {n:,} points", hint=f"from 1 to {_MOST:,}")
    from scipy.stats.qmc import Sobol

    sequence = Sobol(d=len(TRAITS), scramble=True, rng=child(seed, "preferences", "targets", "sobol"))
    points = SOBOL_LOW + (SOBOL_HIGH - SOBOL_LOW) * sequence.random_base2((n - 1).bit_length())[:n]
    return tuple(
        Target(name=f"sobol-{i:02d}", vector=BigFive(**_vector(point.tolist()))) for i, point in enumerate(points)
    )


def of_people(study: Study, n: int, seed: int) -> tuple[Target, ...]:
    """Return the vectors of n adults of the study's city, named "person-412"; the first n of n + m are these n.

    People whose age the norms do not cover are left out. StudyError where there are no people.
    """
    study.refuse_imported("taken as targets")
    people = study.read("people").select("person_id", "age", "norms", *TRAITS)
    eligible = people.filter((pl.col("age") >= ADULT) & (pl.col("norms") != "extrapolated"))
    if not 1 <= n <= eligible.height:
        raise UsageError(
            f"{n:,} people were asked for as targets and the city has {eligible.height:,} adults",
            hint=f"from people:1 to people:{eligible.height}",
        )
    order = uniform_at(seed, "preferences", "targets", "people", ids=eligible["person_id"].to_numpy()).argsort()
    # Six digits: a 32-bit .999 read as a 64-bit number lies above .999.
    return tuple(
        Target(name=f"person-{row['person_id']}", vector=BigFive(**_vector([row[trait] for trait in TRAITS], 6)))
        for row in eligible[order[:n]].iter_rows(named=True)
    )


def of_file(path: Path) -> tuple[Target, ...]:
    """Return the vectors of a CSV file with the columns name, openness, ... neuroticism (percentiles, 0 to 1).

    UsageError where the file cannot be read; DataError names the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the targets in {path} cannot be read: {error}", hint="give a CSV file in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = [name for name in ("name", *TRAITS) if name not in (reader.fieldnames or [])]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}", hint=f"its first line is: name,{','.join(TRAITS)}"
        )
    targets = tuple(_of_line(path, reader.line_num, row) for row in reader)
    if not targets:
        raise DataError(f"{path} holds no targets", hint="one line a target: a name and five percentiles")
    return targets


def _of_line(path: Path, number: int, row: dict[str, str | None]) -> Target:
    name = (row["name"] or "").strip()
    if not name or len(name) > 60:
        raise DataError(f"{path}, line {number}: {name!r} is no name", hint="a name has 1 to 60 characters")
    try:
        values = [float(row[trait] or "") for trait in TRAITS]
    except ValueError:
        raise DataError(
            f"{path}, line {number}: a trait of {name} is not a number", hint="give five percentiles from 0 to 1"
        ) from None
    if not all(0.0 <= value <= 1.0 for value in values):
        raise DataError(
            f"{path}, line {number}: a percentile of {name} lies outside 0 to 1", hint="divide a 0-to-100 score by 100"
        )
    if None in row:
        raise DataError(f"{path}, line {number}: there are too many values", hint="a name and five percentiles")
    target = Target(name=name, vector=BigFive.clipped(**_vector(values, 6)))
    if ARCHETYPES.get(name, target.vector) != target.vector or _OURS.fullmatch(name):
        raise DataError(
            f"{path}, line {number}: the name {name} is that of another target", hint="call it something else"
        )
    return target


def _vector(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    return {trait: round(float(value), digits) for trait, value in zip(TRAITS, values, strict=True)}


def parse_targets(asked: Iterable[str], study: Study | None, seed: int) -> tuple[Target, ...]:
    """Return the targets that words ask for, each once, in the order asked: "archetypes,sobol:32,people:20,none".

    A word may also be an archetype's name or a CSV file. UsageError where a word is none of these, where two targets
    have one name, or one vector under two names. Without a study there are no people to ask for.
    """
    words = [word.strip() for text in asked for word in text.split(",")]
    found = [target for word in words if word for target in _of_word(word, study, seed)]
    if not found:
        raise UsageError("no target is asked for", hint=_EXAMPLE)
    targets: dict[str, Target] = {}
    vectors: dict[BigFive | None, str] = {}
    for target in found:
        before = targets.setdefault(target.name, target)
        if before != target:
            raise UsageError(f"two targets are called {target.name!r}", hint="give one of them another name")
        same = vectors.setdefault(target.vector, target.name)
        if same != target.name:
            raise UsageError(f"the targets {same!r} and {target.name!r} are the same vector", hint="leave one out")
    return tuple(targets.values())


def _of_word(word: str, study: Study | None, seed: int) -> tuple[Target, ...]:
    name, colon, count = word.partition(":")
    if word == "none":
        return (UNTARGETED,)
    if word == "archetypes":
        return archetypes()
    if word in ARCHETYPES:
        return (Target(name=word, vector=ARCHETYPES[word]),)
    if name in ("sobol", "people"):
        if not (colon and count.isascii() and count.isdigit()):
            raise UsageError(f"{word!r} does not say how many", hint=f"such as {name}:32")
        if name == "sobol":
            return sobol(int(count), seed)
        if study is None:
            raise UsageError(f"there is no city for {word!r}", hint="make one with `cityfolk people PLACE --out DIR`")
        return of_people(study, int(count), seed)
    if word.lower().endswith(".csv"):
        return of_file(Path(word))
    near = get_close_matches(word.lower(), [known.lower() for known in _WORDS], n=1, cutoff=0.5)
    meant = next((known for known in _WORDS if near and known.lower() == near[0]), None)
    hint = f"did you mean {meant!r}?" if meant else f"{', '.join(_WORDS)}, or a CSV file of vectors"
    raise UsageError(f"there is no target {word!r}", hint=hint)
