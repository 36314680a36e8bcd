"""The nouns: every record that crosses from one room to another.

Records are frozen, keyword-only, hold plain values, check themselves when they are made, and know nothing of engines,
files or models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, lru_cache
from typing import Any, Literal, Self, get_args

import orjson

from cityfolk.errors import DataError
from cityfolk.rng import derive
from cityfolk.vocabulary import HOUSEHOLD_CATEGORIES, PEOPLE_CATEGORIES, TRAITS

Trait = Literal["openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"]
Finish = Literal["stop", "length", "error"]
Verdict = Literal["inside", "outside", "none"]

PERCENTILE_FLOOR, PERCENTILE_CEILING = 0.001, 0.999


canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""Write a value as canonical JSON: keys sorted, no spaces, letters as they are."""


def content_key(value: object) -> str:
    """Name a value by what it contains: 32 hex digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BigFive:
    """Five trait percentiles among adults on IPIP-NEO-120, .001 to .999: .25 is "higher than a quarter of adults".

    The reference is one for everybody (`personality.reference`), so differences of age and sex stay visible.
    """

    openness: float
    conscientiousness: float
    extraversion: float
    agreeableness: float
    neuroticism: float

    def __post_init__(self) -> None:
        for trait, value in self.items():
            if not PERCENTILE_FLOOR <= value <= PERCENTILE_CEILING:
                raise DataError(
                    f"{trait} must be a percentile from {PERCENTILE_FLOOR} to {PERCENTILE_CEILING}, not {value!r}",
                    hint="use BigFive.clipped(...) for values that may lie at the edge",
                )

    @classmethod
    def clipped(cls, **percentiles: float) -> Self:
        """Make a vector from percentiles in 0 to 1, moved to the nearest value allowed."""
        wrong = {name: value for name, value in percentiles.items() if not 0.0 <= value <= 1.0}
        if wrong:
            raise DataError(f"percentiles lie between 0 and 1, not {wrong}", hint="divide a 0-to-100 score by 100")
        return cls(**{k: min(max(v, PERCENTILE_FLOOR), PERCENTILE_CEILING) for k, v in percentiles.items()})

    def items(self) -> tuple[tuple[str, float], ...]:
        """Return (trait, percentile) in the fixed order of TRAITS."""
        return tuple((trait, getattr(self, trait)) for trait in TRAITS)


def _check_categories(record: object, categories: Mapping[str, tuple[str, ...]]) -> None:
    for column, allowed in categories.items():
        value = getattr(record, column)
        if value is not None and value not in allowed:
            raise DataError(
                f"{column} cannot be {value!r}",
                hint=f"it is one of: {', '.join(allowed[:8])}" + " ..." * (len(allowed) > 8),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """One occupied housing unit, or one group-quarters facility unit (kind "group_quarters"); amounts in US dollars."""

    household_id: int
    kind: str
    gq_type: str | None = None
    size: int
    tenure: str | None = None
    income_usd: int | None = None
    vehicles: int | None = None
    block_group: str | None = None

    def __post_init__(self) -> None:
        _check_categories(self, HOUSEHOLD_CATEGORIES)
        if self.size < 1:
            raise DataError(
                f"household {self.household_id} has size {self.size}", hint="a household has at least one person"
            )
        if (self.kind == "group_quarters") != (self.gq_type is not None):
            raise DataError(
                f"household {self.household_id} is {self.kind} but its gq_type is {self.gq_type!r}",
                hint="gq_type is set for group quarters and for nothing else",
            )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make a household from a row of households.parquet; columns it does not know are left out."""
        return cls(**{f.name: row[f.name] for f in fields(cls) if f.name in row})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the tables know of one person. Amounts in US dollars a year.

    Null where a question is not asked of them (a child's job), or where the place's tables do not hold the attribute.
    """

    person_id: int
    household_id: int
    role: str
    age: int
    sex: str
    race_ethnicity: str | None = None
    birthplace: str
    nativity: str
    citizenship: str
    language_home: str | None = None
    english: str | None = None
    education: str | None = None
    enrollment: str | None = None
    grade: str | None = None
    marital_status: str | None = None
    employment: str | None = None
    occupation: str | None = None
    industry: str | None = None
    class_of_worker: str | None = None
    earnings_usd: int | None = None
    income_usd: int | None = None
    commute_mode: str | None = None
    commute_minutes: int | None = None
    disability: str | None = None
    health_insurance: str | None = None
    religion: str | None = None
    party: str | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    name: str
    personality: BigFive
    norms: str = "IPIP-NEO-120"
    borrowed: str = ""

    def __post_init__(self) -> None:
        _check_categories(self, PEOPLE_CATEGORIES)
        if not 0 <= self.age <= 120:
            raise DataError(f"person {self.person_id} is {self.age} years old", hint="ages run from 0 to 120")

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make a person from a row of people.parquet; columns it does not know are left out."""
        known = {f.name: row[f.name] for f in fields(cls) if f.name in row}
        # Six digits: a 32-bit .999 read as a 64-bit number lies above .999.
        known["personality"] = BigFive(**{trait: round(row[trait], 6) for trait in TRAITS})
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Citizen:
    """A person where they live: themselves, their household, and who else lives there (empty in group quarters)."""

    person: Person
    household: Household
    others: tuple[Person, ...] = ()
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation, in the words of the chat-completions wire format."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Every knob of one call. `sample` numbers independent answers to the same request; `seed` is the study's."""

    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_tokens < 1:
            raise DataError(f"sampling cannot be {self}", hint="temperature >= 0, 0 < top_p <= 1, max_tokens >= 1")


@lru_cache(maxsize=256)
def _rest_of_key(schema: str | None, choices: tuple[str, ...], sampling: Sampling, model: str, adapter: str) -> bytes:
    return canonical([schema, list(choices), asdict(sampling), model, adapter])[1:-1].encode()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One model call. Its key names everything that determines the answer; URLs, labels and attempts do not count.

    A bad reply is asked again with the next `attempt`, which changes `seed` (what the engine draws with), not the key.
    """

    messages: tuple[Message, ...]
    model: str
    schema: str | None = None
    choices: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str = ""
    label: str = ""
    attempt: int = 0

    def __post_init__(self) -> None:
        if self.schema is not None and self.choices:
            raise DataError("a request has a schema or choices, not both", hint="ask twice")

    @cached_property
    def key(self) -> str:
        """Return the content key of messages, schema or choices, sampling, model and adapter."""
        # What `content_key` makes of these six, put together from parts: thousands of calls share all but a message.
        # orjson writes the same bytes as `canonical` where the names are in order already.
        messages = orjson.dumps([{"content": message.content, "role": message.role} for message in self.messages])
        rest = _rest_of_key(self.schema, self.choices, self.sampling, self.model, self.adapter)
        return hashlib.sha256(b"[%b,%b]" % (messages, rest)).hexdigest()[:32]

    @property
    def seed(self) -> int:
        """Return the seed an engine draws this attempt with: 31 bits, of the key and the attempt."""
        return derive(self.sampling.seed, "call", self.key, self.attempt) >> 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. With `choices`, `logprobs` holds the natural-log probability of each, normalised over them.

    finish "error" means the call itself failed (`error` says how); such a reply has no text to trust. `reasoning` is
    what a model thought aloud before its answer, kept apart from `text`. `faults` names what went wrong on the way and
    was tried again by the engine: "429", "500", "stalled".
    """

    text: str
    model: str
    finish: Finish = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    logprobs: tuple[float, ...] | None = None
    error: str = ""
    reasoning: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScore:
    """One token that was written: its bytes, its natural-log probability, and the likeliest in its place."""

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScoredRequest(Request):
    """A call that also asks for the probability of every token and of the `top` likeliest; its key is a Request's."""

    top: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredReply(Reply):
    """A reply that holds the score of every token of its text; an engine that has none gives a plain Reply."""

    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One open-ended question about a topic. `facets` are those of the thirty that its topic is meant to show."""

    question_id: str
    topic: str
    facets: tuple[str, ...]
    style: str
    text: str
    split: Literal["train", "held-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to a question. `condition` is "untargeted" (no vector asked for), "prompted" or an adapter's name.

    `target` is the vector that was asked for and `target_name` what it is called ("Diplomat", "sobol-07",
    "person-412"); an untargeted answer has neither.
    """

    answer_id: str
    question_id: str
    condition: str
    target_name: str = ""
    target: BigFive | None = None
    sample: int = 0
    text: str
    model: str
    adapter: str = ""

    def __post_init__(self) -> None:
        if (self.condition == "untargeted") != (self.target is None):
            raise DataError(
                f"answer {self.answer_id} is {self.condition} with target {self.target}",
                hint="an untargeted answer has no target, every other has one",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one judge reads in an answer: expressed personality, five values each in the order of TRAITS.

    `raw` are scores of the judge's own instrument, never compared with another's; `percentile` is set by the judge's
    calibration, None without one; `spread` is the standard deviation in the unit of `raw`. None: not read.
    """

    answer_id: str
    judge: str
    instrument: str
    raw: tuple[float | None, ...]
    percentile: tuple[float | None, ...] = (None,) * 5
    spread: tuple[float | None, ...] = (None,) * 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one question under one target: `chosen_id` lies nearer to it than `rejected_id`.

    `margin` is by how much: rejected distance minus chosen distance, both Mahalanobis distances of z-scores.
    """

    question_id: str
    target_name: str
    target: BigFive
    chosen_id: str
    rejected_id: str
    margin: float
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A contradiction between what was written and what was known, with its place in the text."""

    person_id: int
    rule: str
    field: str
    known: str
    written: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number of the report: its value, interval (90% unless the note says otherwise), n, and what it should be.

    `verdict` is "none" where there is nothing to compare with.
    """

    id: str
    title: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    expected: float | None = None
    verdict: Verdict = "none"
    note: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise DataError(f"verdict cannot be {self.verdict!r}", hint=f"one of {', '.join(get_args(Verdict))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One piece of work that could not be done, and why; `raw` keeps what the model said."""

    key: str
    stage: str
    label: str
    reason: str
    raw: str = ""
    attempts: int = 1
