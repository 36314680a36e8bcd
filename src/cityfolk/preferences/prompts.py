"""What is said to a model that writes questions or answers them: guidance first, short, the same for every request."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from cityfolk.personality.words import description
from cityfolk.types import BigFive, Message, content_key

ANSWER = "answer/1"
PROMPTED_GUIDANCE = (
    "You are a person with the personality described below. Answer the question in the first person, in three to six "
    "sentences. Let each trait show at its level in what you do, feel and want. Never name the traits or their levels."
)
OTHER_GUIDANCE = MappingProxyType(
    {
        "numbers": (
            "You are a person whose Big Five personality is given below, each trait from 0 (lower than anybody) to 100 "
            "(higher than anybody). Answer the question in the first person, in three to six sentences. Let each trait "
            "show at its level in what you do, feel and want. Never name the traits or their levels."
        ),
        "sentences": (
            "Play the person who is described to you. Answer in the first person, in three to six sentences, so that "
            "somebody who knows this person would recognize them, and don't repeat the description."
        ),
    }
)
"""Wording -> guidance, for the wordings that PROMPTED_GUIDANCE does not suit."""
UNTARGETED_GUIDANCE = "Answer the question in the first person, in three to six sentences."

QUESTION = "question/1"
QUESTION_GUIDANCE = (
    "You write open-ended questions that bring out a person's character, as JSON with the key of the schema. Every "
    "question is about the topic given, in the style given, can't be answered with yes or no, takes no side, and "
    "differs from the others in what it asks."
)
STYLE_LINES = {
    "reflection": "reflection: what the person thinks, feels or values",
    "hypothetical": "hypothetical: what the person would do if something were so",
    "experience": "experience: something the person has lived through",
    "moral": "moral: what the person holds to be right, and where it gets hard",
    "situational": "situational: a concrete situation, and what the person does in it",
}


def answer_messages(question: str, target: BigFive | None, wording: str = "levels") -> tuple[Message, ...]:
    """Return the conversation that asks one question, under a personality in a named wording or without one."""
    if target is None:
        return (
            Message(role="system", content=UNTARGETED_GUIDANCE),
            Message(role="user", content=f"Question: {question}"),
        )
    return (
        Message(role="system", content=OTHER_GUIDANCE.get(wording, PROMPTED_GUIDANCE)),
        Message(role="user", content=f"{description(target, wording)}\n\nQuestion: {question}"),
    )


def question_messages(topic: str, style: str, focus: str, count: int) -> tuple[Message, ...]:
    """Return the conversation that asks for `count` questions on a topic, in a style, with a facet in mind."""
    content = f"Topic: {topic}\nStyle: {STYLE_LINES[style]}\nBring out: {focus}\nQuestions: {count}"
    return (Message(role="system", content=QUESTION_GUIDANCE), Message(role="user", content=content))


_FIXED = BigFive(openness=0.03, conscientiousness=0.1, extraversion=0.3, agreeableness=0.5, neuroticism=0.97)


def answer_prompt_hash() -> str:
    """Name the answer prompts by their words, so that a changed word changes the config."""
    asked = [answer_messages("A fixed question?", target) for target in (None, _FIXED)]
    return content_key([ANSWER, [[message.content for message in one] for one in asked]])


def wordings_hash(wordings: Sequence[str]) -> str:
    """Name what is asked in these wordings by its words."""
    asked = [answer_messages("A fixed question?", _FIXED, wording) for wording in wordings]
    return content_key([[message.content for message in one] for one in asked])


def question_prompt_hash() -> str:
    """Name the question prompts by their words."""
    asked = [question_messages("a fixed topic", style, "anxiety", 10) for style in STYLE_LINES]
    return content_key([QUESTION, [[message.content for message in one] for one in asked]])
