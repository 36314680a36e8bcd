"""A questionnaire put to a model: which requests ask it, in how many ways, and how a reply is read.

Every item is a request of its own with five options, so that no answer hangs on another. A form is one way of asking:
the options from low to high or from high to low, an item alone or on a page among others, in one of three wordings.
What is read is always agreement from 1 (does not fit at all) to 5 (fits very well), whichever end was shown first: the
expected value over the options' probabilities where the engine gives them, else the option that the text names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from cityfolk import rng
from cityfolk.engines.wire import chosen
from cityfolk.errors import UsageError
from cityfolk.personality.inventory import RATINGS, Item, choice_messages, inventory, rating_question
from cityfolk.personality.norms import INSTRUMENT
from cityfolk.types import BigFive, Reply, Request, Sampling, content_key

PROMPTS = "questionnaire/1"
WORDINGS = ("rating", "accuracy", "agreement")
ASCENDING, DESCENDING = 0, 1
PAGE = 12
"""How many items stand on a page; 120 items fill ten."""
MAX_TOKENS = 32
_LABELS = {
    "rating": ("not at all", "", "", "", "very well"),
    "accuracy": (
        "very inaccurate",
        "moderately inaccurate",
        "neither accurate nor inaccurate",
        "moderately accurate",
        "very accurate",
    ),
    "agreement": ("strongly disagree", "disagree", "neither agree nor disagree", "agree", "strongly agree"),
}
_REFUSAL = re.compile(
    r"\bas an ai\b|\b(?:ai|large|language) (?:language )?model\b|\bi(?:['\u2019]m| am) (?:just |only )?an ai\b"
    r"|\bi (?:do not|don['\u2019]t) have (?:a |any )?(?:personal|human|feelings|emotions|personality|opinions)"
    r"|\bi (?:can(?:no|['\u2019])t|am unable to|won['\u2019]t|will not) "
    r"(?:answer|assist|help|provide|respond|comply|rate|choose|roleplay|pretend|do that)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"(?<![\w.])([1-5])(?:\s*/\s*5)?(?![\w]|\.\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way of asking. `item_order` 0 asks each item alone; 1 and up on pages, in an order of its own each."""

    option_order: int = ASCENDING
    item_order: int = 0
    wording: str = WORDINGS[0]
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """In how many ways an instrument is given: every option order with every item order, wording and sample.

    `wordings` takes the first so many of WORDINGS; `seed` draws the orders on pages and is the sampling's.
    """

    instrument: str = INSTRUMENT
    option_orders: int = 2
    item_orders: int = 1
    wordings: int = 1
    samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        inventory(self.instrument)
        for name, most in (("option_orders", 2), ("item_orders", 100), ("wordings", len(WORDINGS)), ("samples", 100)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(
                    f"{name} cannot be {getattr(self, name)}", hint=f"a questionnaire is given in 1 to {most} of them"
                )

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms, the first of every kind before the second."""
        return tuple(
            Form(option_order=option, item_order=order, wording=wording, sample=sample)
            for sample in range(self.samples)
            for order in range(self.item_orders)
            for wording in WORDINGS[: self.wordings]
            for option in range(self.option_orders)
        )

    def calls(self, respondents: int) -> int:
        """Return how many requests so many respondents need."""
        return respondents * len(inventory(self.instrument)) * len(self.forms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respondent:
    """Who is asked: a name, the vector that they are meant to have, and whether they are told it.

    An adapter that was trained for one vector is not told; nobody's vector is an untargeted respondent.
    """

    respondent_id: str
    vector: BigFive | None = None
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one reply says: agreement 1 to 5, None for a refusal, and five probabilities from low to high if known."""

    outcome: str
    value: float | None
    probabilities: tuple[float, ...] | None = None


# -------------------------------------------------------------------------------------------------------------- asking


def item_question(statement: str, form: Form, page: Sequence[str] = ()) -> str:
    """Return the question that asks one statement in a form; `page` holds all statements that stand around it."""
    low, *_, high = labels = _shown(form)
    if form.wording == "rating":
        asked = rating_question(statement)
        if form.option_order == DESCENDING:
            asked = asked.replace("from 1 (not at all) to 5 (very well)", f"from 1 ({low}) to 5 ({high})")
    else:
        options = "\n".join(f"{number} = {label}" for number, label in zip(RATINGS, labels, strict=True))
        lead = (
            f'How accurately does this statement describe you as you usually are? "{statement}."'
            if form.wording == "accuracy"
            else f'How far do you agree with this statement about yourself? "{statement}."'
        )
        asked = f"{lead}\n{options}\nAnswer with a number."
    if not page:
        return asked
    lines = "\n".join(f"- {one}." for one in page)
    lead = "You are filling in a questionnaire. These statements are on the page:"
    return f"{lead}\n{lines}\n\nAnswer just one of them for now. {asked}"


def _shown(form: Form) -> tuple[str, ...]:
    """Return the options' words as they are shown beside 1 to 5."""
    labels = _LABELS[form.wording]
    return labels if form.option_order == ASCENDING else labels[::-1]


@cache
def pages(instrument: str, item_order: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """Return the positions of the items page by page, in the order of a form; one item a page for order 0."""
    count = len(inventory(instrument))
    if item_order == 0:
        return tuple((position,) for position in range(count))
    drawn = rng.child(seed, "psychometrics", "item order", instrument, item_order).permutation(count).tolist()
    return tuple(tuple(drawn[start : start + PAGE]) for start in range(0, count, PAGE))


def requests(
    design: Design, respondents: Sequence[Respondent], model: str
) -> Iterator[tuple[Respondent, Form, Item, Request]]:
    """Yield every request: respondent after respondent, so that a job that stops has whole questionnaires.

    Labels are "RESPONDENT INSTRUMENT ITEM OPTION-ORDER.ITEM-ORDER.WORDING.SAMPLE".
    """
    items = inventory(design.instrument)
    for respondent in respondents:
        for form in design.forms:
            sampling = Sampling(temperature=1.0, max_tokens=MAX_TOKENS, seed=design.seed, sample=form.sample)
            for page in pages(design.instrument, form.item_order, design.seed):
                around = [items[position].statement for position in page] if form.item_order else []
                for position in page:
                    yield (
                        respondent,
                        form,
                        items[position],
                        _request(respondent, form, items[position], around, model, sampling, design.instrument),
                    )


def _request(
    respondent: Respondent,
    form: Form,
    item: Item,
    around: Sequence[str],
    model: str,
    sampling: Sampling,
    instrument: str,
) -> Request:
    vector = respondent.vector if respondent.told else None
    code = f"{form.option_order}.{form.item_order}.{form.wording}.{form.sample}"
    return Request(
        messages=choice_messages(item_question(item.statement, form, around), vector),
        model=model,
        choices=RATINGS,
        sampling=sampling,
        label=f"{respondent.respondent_id} {instrument} {item.number} {code}",
    )


def form_of(request: Request) -> Form:
    """Return the form that a request of `requests` asks in."""
    option, order, wording, sample = request.label.rpartition(" ")[2].split(".")
    return Form(option_order=int(option), item_order=int(order), wording=wording, sample=int(sample))


@cache
def prompt_hash() -> str:
    """Name the prompts by their words: every wording in both orders, alone and on a page."""
    vector = BigFive(openness=0.03, conscientiousness=0.1, extraversion=0.3, agreeableness=0.5, neuroticism=0.97)
    forms = [
        Form(option_order=option, item_order=order, wording=wording)
        for wording in WORDINGS
        for option in (ASCENDING, DESCENDING)
        for order in (0, 1)
    ]
    asked = [
        [
            message.content
            for target in (None, vector)
            for message in choice_messages(
                item_question("I rest", form, ("I rest", "I run") if form.item_order else ()), target
            )
        ]
        for form in forms
    ]
    return content_key([PROMPTS, asked])


# ------------------------------------------------------------------------------------------------------------- reading


def read_reply(reply: Reply, form: Form) -> Said:
    """Return what a reply says; ValueError says in one line why it is no answer.

    A refusal is an answer without a value. Probabilities are of the five options alone: how much of a model's mind lay
    elsewhere they do not tell.
    """
    if reply.logprobs is not None:
        weights = [math.exp(value) for value in reply.logprobs]
        total = math.fsum(weights)
        if len(weights) != len(RATINGS) or not (total > 0 and math.isfinite(total)):
            raise ValueError("the probabilities of the options cannot be read")
        shares = [weight / total for weight in weights]
        shares = shares if form.option_order == ASCENDING else shares[::-1]
        value = math.fsum(number * share for number, share in enumerate(shares, 1))
        return Said(
            outcome="probabilities", value=min(max(value, 1.0), float(len(RATINGS))), probabilities=tuple(shares)
        )
    number = _number(reply.text)
    if number is None and _REFUSAL.search(reply.text):
        return Said(outcome="refused", value=None)
    number = option_of(reply.text, form)
    if number is None:
        raise ValueError(f"not one of the options: {reply.text.strip()[:60]!r}")
    turned = number if form.option_order == ASCENDING else len(RATINGS) + 1 - number
    return Said(outcome="text", value=float(turned))


def option_of(text: str, form: Form) -> int | None:
    """Return the number, as shown, of the option that a text names by number or in words; None if not just one."""
    number = _number(text)
    if number is not None or _DIGIT.search(text):
        return number
    said = text.casefold()
    labels = {label: number for number, label in enumerate(_shown(form), 1) if label}
    there = [label for label in labels if re.search(rf"\b{re.escape(label)}\b", said)]
    longest = [label for label in there if not any(label != other and label in other for other in there)]
    return labels[longest[0]] if len(longest) == 1 else None


def _number(text: str) -> int | None:
    """Return the only number from 1 to 5 in a text."""
    named = chosen(text, RATINGS)
    found = {named} if named is not None else set(_DIGIT.findall(text))
    return int(found.pop()) if len(found) == 1 else None
