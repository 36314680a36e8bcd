"""Stability: does a requested personality last over a conversation, and over how and how hot it is asked.

Findings are `control.stability.NAME@JUDGE|MODEL|CONDITION`:

- `turn.NN`: the share of the asked-for move that answers make at a turn, from the model's own voice, all traits
  together; `start` that of the line at the first turn, `slope` its change a turn, `kept` what the line has left at the
  last turn over the first; `slope.TRAIT` the same for one trait. Intervals by drawing whole conversations anew.
- `share.SOURCE`: of the variance of single answers, the share that comes from the vector asked for, the question (alone
  and with the vector), the wording, the temperature, and the draw (everything else); components of a balanced random
  model by the method of moments, intervals by drawing vectors anew.
- `icc.SOURCE.TRAIT`: ICC(2,1) over vectors: would another wording, temperature or draw have shown the same.
- `reach.SOURCE.NAME`: the slope of expressed on requested under one wording or temperature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cityfolk import rng
from cityfolk.evaluation.control.draws import Draws, estimate
from cityfolk.evaluation.control.telling import told
from cityfolk.evaluation.judges.agreement import icc
from cityfolk.types import Finding
from cityfolk.vocabulary import TRAITS

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
TURNS = 20
SMALL_TALK = (
    "How has your day been so far?",
    "What did you have for breakfast?",
    "What is the weather like where you are?",
    "Is there anything good to watch at the moment?",
    "What are you going to do this evening?",
    "Do you have any plans for the weekend?",
)
AXES = ("vector", "question", "wording", "temperature", "draw")
EFFECTS: tuple[tuple[int, ...], ...] = ((0,), (1,), (2,), (3,), (0, 1), (0, 2), (0, 3))
SOURCES: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "vector": ((0,),),
    "question": ((1,), (0, 1)),
    "wording": ((2,), (0, 2)),
    "temperature": ((3,), (0, 3)),
    "draw": ((),),
}
"""What each share is made of; () is the rest."""
FEWEST = 4
"""Fewer conversations, or fewer vectors, than this have no spread."""
RESAMPLES = 300
_EACH = 8  # conversations from which single traits are told


@cache
def schedule() -> tuple[int, ...]:
    """Return for each turn which of the questions is asked, counted from 0, or -1 for small talk (every third turn)."""
    places = iter(range(TURNS))
    return tuple(-1 if turn % 3 == 0 and turn < TURNS else next(places) for turn in range(1, TURNS + 1))


def asked_turns() -> tuple[int, ...]:
    """Return the turns, from 1, at which a question is asked whose answer is read."""
    return tuple(turn for turn, place in enumerate(schedule(), 1) if place >= 0)


def question_at(turn: int, conversation: int, questions: Sequence[str]) -> tuple[str, bool]:
    """Return what is asked at a turn of a conversation, and whether it is small talk.

    Each conversation begins at another of the questions, so that a turn is no question's own.
    """
    place = schedule()[turn - 1]
    if place < 0:
        return SMALL_TALK[(turn // 3 - 1) % len(SMALL_TALK)], True
    return questions[(place + conversation) % len(questions)], False


# -------------------------------------------------------------------------------------------------------- conversations


@dataclass(frozen=True, slots=True, kw_only=True)
class Talks:
    """n readings of answers in conversations: z requested and z read (n, 5), the turn, the conversation's number.

    `voice` (5,) is the model's own, z, and `voice_error` how far that may be off, one standard error; `left_out` how
    many earlier turns an answer's request no longer held.
    """

    asked: Floats
    read: Floats
    turn: Whole
    conversation: Whole
    voice: Floats
    left_out: Whole
    voice_error: Floats = field(default_factory=lambda: np.zeros(5))


def conversation_findings(talks: Talks, source: str, words: str, seed: int) -> Iterator[Finding]:
    """Yield what conversations of one speaker tell, `source` being "JUDGE|MODEL|CONDITION"; few tell nothing."""
    _, number = np.unique(talks.conversation, return_inverse=True)
    count = int(number.max(initial=-1)) + 1
    if count < FEWEST:
        return
    draws = Draws.of(count, "conversations", rng.child(seed, "evaluation", "control", "stability", source), RESAMPLES)
    note = f"90% by drawing {count} conversations anew"
    moves = _Moves(talks, number.astype(np.int64), draws, rng.child(seed, "evaluation", "control", "voice", source))
    made = moves.trait
    line = moves.lines(np.ones(len(made), dtype=bool), over_turns=True)
    share = "Share of the asked-for move that answers make"
    yield told(
        f"stability.start@{source}",
        f"{share} at the first turn, {words}",
        estimate(line[:, 1], count),
        len(made),
        "share",
        note,
        expected=1.0,
    )
    slope = estimate(line[:, 2] / (TURNS - 1), count)
    yield told(
        f"stability.slope@{source}",
        f"{share}: change a turn, {words}",
        slope,
        len(made),
        "share a turn",
        note,
        expected=0.0,
        verdict="outside" if slope.high < 0 else "inside",
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(line[:, 1] > 0, (line[:, 1] + line[:, 2]) / line[:, 1], np.nan)
    said = f"of what there was at turn 1; {note}"
    yield told(
        f"stability.kept@{source}",
        f"Share of the move kept at turn {TURNS}, {words}",
        estimate(kept, count),
        len(made),
        "share",
        said,
        expected=1.0,
    )
    for turn in np.unique(talks.turn):
        own = moves.turn == turn
        found = moves.lines(own, over_turns=False)[:, 1]
        title = f"{share} at turn {turn}, {words}"
        yield told(f"stability.turn.{turn:02d}@{source}", title, estimate(found, count), int(own.sum()), "share", note)
    if count >= _EACH:
        yield from _by_trait(talks, number.astype(np.int64), draws, source, words, note)
    last = talks.left_out[talks.turn == talks.turn.max()]
    yield told(
        f"stability.left_out@{source}",
        f"Earlier turns that no longer fit into the request at turn {int(talks.turn.max())}, {words}",
        float(last.mean()),
        len(last),
        "turns",
        "the oldest are left out first; the description of the personality stays",
        expected=0.0,
    )


class _Moves:
    """All traits of all answers together: the move asked for and the move made, both from the model's own voice.

    That voice is known from a few conversations alone. A draw of it for each draw of conversations, as far off as its
    error says, carries this into the intervals; how a line moves with the voice is taken as straight.
    """

    def __init__(self, talks: Talks, number: Whole, draws: Draws, stream: Generator) -> None:
        self.talks, self.draws = talks, draws
        self.rows, self.trait = np.nonzero(np.isfinite(talks.read))
        self.turn, self.cluster = talks.turn[self.rows], number[self.rows]
        self.off = np.vstack([np.zeros((1, 5)), stream.standard_normal((len(draws.weights) - 1, 5))])

    def lines(self, own: NDArray[np.bool_], *, over_turns: bool) -> Floats:
        """Return the effects of the move asked for on the one made, an intercept first; with turns, of it by turn."""
        sample = Draws(self.draws.weights[:1], self.draws.unit)
        found = self._fitted(own, self.talks.voice, self.draws, over_turns=over_turns)
        first = found[:1].copy()
        for trait in np.flatnonzero(self.talks.voice_error > 0):
            voice = self.talks.voice.copy()
            voice[trait] += self.talks.voice_error[trait]
            moved = self._fitted(own, voice, sample, over_turns=over_turns) - first
            found = found + self.off[:, [trait]] * moved
        return found

    def _fitted(self, own: NDArray[np.bool_], voice: Floats, draws: Draws, *, over_turns: bool) -> Floats:
        rows, trait = self.rows[own], self.trait[own]
        move, made = self.talks.asked[rows, trait] - voice[trait], self.talks.read[rows, trait] - voice[trait]
        late = (self.turn[own] - 1) / (TURNS - 1)
        design = np.column_stack([move, move * late, late]) if over_turns else move[:, None]
        return draws.effects(design, made, self.cluster[own])


def voice_of(read: Floats, conversation: Whole) -> tuple[Floats, Floats]:
    """Return the mean reading (5,) of answers (n, 5) and its standard error; 0 and 0 where there are none.

    Answers of one conversation are alike, so its error is that of the mean of so many conversations, from the spread of
    all traits together; with a single conversation it is that of the mean of its answers.
    """
    given = np.isfinite(read).sum(axis=0)
    known = given > 0
    mean = np.where(known, np.nansum(read, axis=0) / np.maximum(given, 1), 0.0)
    parts = [read[conversation == name][:, known] for name in np.unique(conversation)]
    if len(parts) > 1 and all(np.isfinite(part).any(axis=0).all() for part in parts):
        means = np.array([np.nanmean(part, axis=0) for part in parts])
        return mean, np.where(known, np.sqrt(means.var(axis=0, ddof=1).mean() / len(parts)), 0.0)
    spread = np.sqrt(np.nansum((read - mean) ** 2, axis=0) / np.maximum(given - 1, 1))
    return mean, np.where(given > 1, spread / np.sqrt(np.maximum(given, 1)), 0.0)


def _by_trait(talks: Talks, number: Whole, draws: Draws, source: str, words: str, note: str) -> Iterator[Finding]:
    late = (talks.turn - 1) / (TURNS - 1)
    for trait, name in enumerate(TRAITS):
        own = np.isfinite(talks.read[:, trait])
        x, y = talks.asked[own, trait], talks.read[own, trait]
        if own.sum() < TURNS or np.ptp(x) == 0:
            continue
        line = draws.effects(np.column_stack([x, x * late[own], late[own]]), y, number[own])
        found = estimate(line[:, 2] / (TURNS - 1), draws.weights.shape[1])
        title = f"{name.capitalize()}: change a turn of how far answers follow the request, {words}"
        yield told(f"stability.slope.{name}@{source}", title, found, int(own.sum()), "share a turn", note, expected=0.0)


# -------------------------------------------------------------------------------------------------- variance components


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Readings of a complete design: `read` (vectors, questions, wordings, temperatures, draws, 5), z, no gaps."""

    asked: Floats
    read: Floats
    wordings: tuple[str, ...]
    temperatures: tuple[float, ...]


def components(values: Floats) -> dict[tuple[int, ...], float]:
    """Return the variance components of a balanced array with the axes of AXES: {effect: variance}, () the rest.

    All effects are random; expected mean squares hold the rest and every component whose factors include the effect's
    own, each times the number of values under one of its levels (Cornfield & Tukey 1956, Annals of Mathematical
    Statistics 27). Components may come out below 0 by luck.
    """
    shape, total = values.shape, values.size
    left = values - values.mean()
    squares: dict[tuple[int, ...], float] = {}
    free: dict[tuple[int, ...], int] = {}
    for effect in EFFECTS:
        others = tuple(axis for axis in range(values.ndim) if axis not in effect)
        part = left.mean(axis=others, keepdims=True)
        left = left - part
        squares[effect] = float((part**2).sum()) * total / part.size
        free[effect] = int(np.prod([shape[axis] - 1 for axis in effect]))
    rest = total - 1 - sum(free.values())
    found: dict[tuple[int, ...], float] = {(): float((left**2).sum()) / rest if rest > 0 else float("nan")}
    for effect in sorted(EFFECTS, key=len, reverse=True):
        if not free[effect]:
            found[effect] = 0.0
            continue
        above = sum(
            found[other] * total / np.prod([shape[axis] for axis in other])
            for other in EFFECTS
            if set(other) > set(effect)
        )
        under = total / np.prod([shape[axis] for axis in effect])
        found[effect] = float((squares[effect] / free[effect] - found[()] - above) / under)
    return found


def shares(values: Floats) -> dict[str, float]:
    """Return the share of each source in the variance of single answers (..., traits), all traits together."""
    parts = [components(values[..., trait]) for trait in range(values.shape[-1])]
    sums = {
        source: sum(max(part[effect], 0.0) for part in parts for effect in effects)
        for source, effects in SOURCES.items()
    }
    whole = sum(sums.values())
    return {source: value / whole if whole > 0 else float("nan") for source, value in sums.items()}


def form_findings(crossed: Crossed, source: str, words: str, seed: int) -> Iterator[Finding]:
    """Yield what the crossed design of one speaker tells; few vectors tell nothing."""
    count = len(crossed.read)
    if count < FEWEST:
        return
    stream = rng.child(seed, "evaluation", "control", "stability forms", source)
    note = f"{' by '.join(str(size) for size in crossed.read.shape[:-1])} answers; 90% by drawing vectors anew"
    drawn = [shares(crossed.read), *_drawn(crossed.read, stream)]
    titles = {
        "vector": "the personality requested",
        "question": "the question",
        "wording": "the wording of the request",
        "temperature": "the temperature",
        "draw": "the draw",
    }
    for name in SOURCES:
        found = estimate(np.array([one[name] for one in drawn]), count, "size")
        title = f"Share of the variance of single answers from {titles[name]}, {words}"
        expected = 1.0 if name == "vector" else 0.0
        yield told(
            f"stability.share.{name}@{source}",
            title,
            found,
            crossed.read[..., 0].size,
            "share",
            note,
            expected=expected,
        )
    yield from _iccs(crossed, source, words)
    yield from _reaches(crossed, source, words, seed)


def _drawn(values: Floats, stream: Generator) -> Iterator[dict[str, float]]:
    for _ in range(RESAMPLES):
        yield shares(values[stream.integers(len(values), size=len(values))])


def _iccs(crossed: Crossed, source: str, words: str) -> Iterator[Finding]:
    for axis, name in ((2, "wording"), (3, "temperature"), (4, "draw")):
        if crossed.read.shape[axis] < 2:
            continue
        for trait, word in enumerate(TRAITS):
            values = crossed.read[..., trait]
            # Of single draws at one temperature, not of means over many: what another draw would have shown.
            one = values[:, :, 0, 0, :] if axis == 4 else values[..., 0]
            others = tuple(other for other in range(one.ndim) if other not in (0, 2 if axis == 4 else axis))
            table = one.mean(axis=others)
            found = icc(table).agreement
            title = f"{word.capitalize()}: ICC over vectors between {name}s, {words}"
            said = f"ICC(2,1), {table.shape[0]} vectors by {table.shape[1]}, means over questions and the rest"
            yield told(f"stability.icc.{name}.{word}@{source}", title, found, table.size, "ICC", said, expected=1.0)


def _reaches(crossed: Crossed, source: str, words: str, seed: int) -> Iterator[Finding]:
    names: tuple[tuple[int, str, Sequence[str]], ...] = (
        (2, "wording", crossed.wordings),
        (3, "temperature", [f"{value:g}" for value in crossed.temperatures]),
    )
    count = len(crossed.read)
    draws = Draws.of(count, "vectors", rng.child(seed, "evaluation", "control", "reach", source), RESAMPLES)
    for axis, kind, levels in names:
        for place, name in enumerate(levels):
            mean = np.take(crossed.read, place, axis=axis).mean(axis=(1, 2, 3))
            slopes = [
                draws.effects(crossed.asked[:, [trait]], mean[:, trait], np.arange(count))[:, 1]
                for trait in range(5)
                if np.ptp(crossed.asked[:, trait]) > 0
            ]
            if slopes:
                title = f"Mean slope of expressed on requested, {kind} {name}, {words}"
                yield told(
                    f"stability.reach.{kind}.{name}@{source}",
                    title,
                    estimate(np.mean(slopes, axis=0), count),
                    count,
                    "ratio",
                    "90% by drawing vectors anew",
                    expected=1.0,
                )
