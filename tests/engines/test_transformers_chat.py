"""Chat templates and their quirks: the system role, thinking, and where a thought ends."""

import json
import os

import pytest

from cityfolk.engines.transformers import make
from cityfolk.engines.transformers_chat import Chat
from cityfolk.errors import DataError
from cityfolk.types import Message, Request, Sampling
from tests.engines import tiny_models

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the Hugging Face client is first imported, by a test

SYSTEM, USER = Message(role="system", content="Be brief."), Message(role="user", content="Who are you?")


def tokenizer(folder, template):
    from transformers import AutoTokenizer

    tiny_models.save_tokenizer(folder, template)
    return AutoTokenizer.from_pretrained(folder)


def rendered(chat, words, *messages, **how):
    return words.decode(chat.prompt(messages, **how)[0])


def test_a_template_with_a_system_role_gets_it(tmp_path):
    words = tokenizer(tmp_path, tiny_models.TEMPLATE)
    chat = Chat(words, "x")
    assert rendered(chat, words, SYSTEM, USER) == (
        "<|bos|><|system|>Be brief.<|end|><|user|>Who are you?<|end|><|assistant|>"
    )
    assert not chat.thinks


def test_a_template_that_refuses_or_drops_the_system_role_gets_it_with_the_first_turn(tmp_path):
    silent = tiny_models.TEMPLATE.replace("messages %}", "messages if message['role'] != 'system' %}", 1)
    for template in (tiny_models.NO_SYSTEM, silent):
        words = tokenizer(tmp_path, template)
        chat = Chat(words, "x")
        folded = "<|bos|><|user|>Be brief.\n\nWho are you?<|end|>"
        assert rendered(chat, words, SYSTEM, USER) == f"{folded}<|assistant|>"
        assert rendered(chat, words, USER) == "<|bos|><|user|>Who are you?<|end|><|assistant|>"
        reply, again = Message(role="assistant", content="Ada."), Message(role="user", content="Age?")
        talk = rendered(chat, words, SYSTEM, USER, reply, again)
        assert talk == f"{folded}<|assistant|>Ada.<|end|><|user|>Age?<|end|><|assistant|>"
        assert rendered(chat, words, SYSTEM) == "<|bos|><|user|>Be brief.<|end|><|assistant|>"


def test_a_conversation_that_the_template_refuses_is_a_data_error(tmp_path):
    stubborn = "{% if messages | length > 2 %}{{ raise_exception('too long') }}{% endif %}x"
    chat = Chat(tokenizer(tmp_path, stubborn), "x")
    with pytest.raises(DataError, match="too long"):
        chat.prompt([USER, USER, USER])


def test_thinking_is_switched_off_by_the_template(tmp_path):
    words = tokenizer(tmp_path, tiny_models.THINKER)
    assert rendered(Chat(words, "x"), words, USER).endswith("<|assistant|>")
    assert rendered(Chat(words, "x"), words, USER, thinking=False).endswith("<|assistant|><think></think>")
    always = tokenizer(tmp_path / "always", tiny_models.ALWAYS_THINKS)
    assert Chat(always, "x").prompt([USER])[1] and not Chat(always, "x").prompt([USER], thinking=False)[1]
    for how in (Chat(always, "x", thinking="off"), Chat(always, "x")):
        assert rendered(how, always, USER, thinking=False).endswith("<think>\n\n</think>\n\n")
    off = Chat(words, "x", thinking="off")
    assert not off.thinks and rendered(off, words, USER).endswith("<|assistant|><think></think>")
    assert Chat(words, "x", thinking="on").thinks


@pytest.mark.parametrize(
    ("text", "inside", "answer", "thought"),
    [
        ("Ada.", False, "Ada.", ""),
        ("<think>Who?</think>\n\nAda.", False, "Ada.", "Who?"),
        ("\n<think>\nWho?\n</think>Ada.", False, "Ada.", "Who?"),
        ("Who?</think>Ada.", True, "Ada.", "Who?"),
        ("<think>Who? And", False, "", "Who? And"),
        ("Who? And", True, "", "Who? And"),
        ("<think></think>Ada.", False, "Ada.", ""),
        ("Tags like <think> stay.", False, "Tags like <think> stay.", ""),
    ],
)
def test_a_thought_is_kept_apart(tmp_path, text, inside, answer, thought):
    words = tokenizer(tmp_path, tiny_models.ALWAYS_THINKS if inside else tiny_models.THINKER)
    chat = Chat(words, "x")
    assert chat.read(words.encode(text, add_special_tokens=False), inside=inside) == (answer, thought)


def request(engine, **sampling):
    schema = json.dumps({"type": "object", "properties": {"age": {"type": "integer", "minimum": 1, "maximum": 9}},
                         "required": ["age"], "additionalProperties": False})  # fmt: skip
    return Request(messages=(USER,), model=engine.model, schema=schema, sampling=Sampling(**sampling))


def test_a_model_that_always_thinks_does_so_before_its_schema(tmp_path):
    folder = tiny_models.save_model(tmp_path / "thinker", template=tiny_models.ALWAYS_THINKS)
    # At a high temperature all 420 tokens are about as likely, so that a thought ends some hundred tokens on.
    engine = make(f"{folder}?device=cpu&batch=12")
    requests = [request(engine, temperature=50.0, max_tokens=500, sample=n) for n in range(12)]
    replies = [reply for _, reply in engine.generate(requests)]
    ended = [reply for reply in replies if reply.finish == "stop" and reply.text]
    assert len(ended) >= 2
    for reply in ended:
        assert 1 <= json.loads(reply.text)["age"] <= 9 and reply.reasoning and "</think>" not in reply.reasoning
    for reply in replies:
        if reply.finish == "length":
            assert reply.text == "" and reply.reasoning


def test_a_model_that_may_think_opens_a_thought_or_its_object(tmp_path):
    folder = tiny_models.save_model(tmp_path / "thinker", template=tiny_models.THINKER)
    engine = make(f"{folder}?device=cpu&batch=8")
    replies = [reply for _, reply in engine.generate([request(engine, temperature=50.0, sample=n) for n in range(16)])]
    thought = [reply for reply in replies if reply.reasoning]
    assert 2 <= len(thought) <= 14
    for reply in replies:
        if reply.finish == "stop" and reply.text:
            assert 1 <= json.loads(reply.text)["age"] <= 9
    off = make(f"{folder}?device=cpu&thinking=off")
    assert off.model == f"{engine.model}?thinking=off"
    for _, reply in off.generate([request(off, temperature=50.0, sample=n) for n in range(8)]):
        assert not reply.reasoning and 1 <= json.loads(reply.text)["age"] <= 9


def test_choices_are_scored_without_thinking(tmp_path):
    folder = tiny_models.save_model(tmp_path / "thinker", template=tiny_models.THINKER)
    engine, off = make(f"{folder}?device=cpu"), make(f"{folder}?device=cpu&thinking=off")
    ask = [Request(messages=(USER,), model=e.model, choices=("Yes", "No")) for e in (engine, off)]
    first, second = (next(e.generate([one]))[1] for e, one in zip((engine, off), ask, strict=True))
    assert first.logprobs == pytest.approx(second.logprobs) and first.prompt_tokens == second.prompt_tokens
