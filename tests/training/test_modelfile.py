"""Ollama templates read off chat templates of known families, rendered by a reader of Go templates of our own.

The chat templates are those that TRL ships: Llama 3 and 3.1, Qwen 2.5 and 3, Gemma, Phi 3.
"""

from importlib.resources import files

import pytest
from jinja2 import TemplateError

from cityfolk.errors import DataError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.pocket.gguf import modelfile as pocket_modelfile
from cityfolk.stages.export_adapter import spoken_turns
from cityfolk.training.modelfile import modelfile, turns_of
from tests.training import go

BOS = {"llama3": "<|begin_of_text|>", "llama3_1": "<|begin_of_text|>", "gemma": "<bos>"}
TALK = [
    {"role": "user", "content": "Where do you live?"},
    {"role": "assistant", "content": "By the river."},
    {"role": "user", "content": "And why?"},
    {"role": "assistant", "content": "It is quiet there."},
    {"role": "user", "content": "Is it?"},
]
SYSTEM = {"role": "system", "content": "Answer in one sentence."}


class Templated:
    """A chat template and nothing else of a tokenizer."""

    def __init__(self, name):
        from transformers.utils.chat_template_utils import _compile_jinja_template

        text = files("trl").joinpath("chat_templates").joinpath(f"{name}.jinja").read_text()
        self.bos_token = BOS.get(name, "")
        self._template = _compile_jinja_template(text)

    def apply_chat_template(self, turns, *, tokenize, add_generation_prompt, **how):
        given = {"bos_token": self.bos_token, "eos_token": "<|end|>", "messages": turns}
        return self._template.render(**given, add_generation_prompt=add_generation_prompt, **how)


def rendered(tokenizer, turns):
    said = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    return said.removeprefix(tokenizer.bos_token)


@pytest.mark.parametrize("name", ["llama3", "llama3_1", "qwen2_5", "qwen3", "gemma", "phi3"])
def test_ollama_would_send_what_the_chat_template_sends(name):
    tokenizer = Templated(name)
    turns = spoken_turns(tokenizer)
    assert turns is not None
    for size in (1, 3, 5):
        assert go.render(turns.go(), TALK[:size]) == rendered(tokenizer, TALK[:size])
        told = [SYSTEM, *TALK[:size]]
        try:
            wanted = rendered(tokenizer, told)
        except TemplateError:  # it has no system role
            folded = {"role": "user", "content": f"{SYSTEM['content']}\n\n{TALK[0]['content']}"}
            wanted = rendered(tokenizer, [folded, *TALK[1:size]])
        assert go.render(turns.go(), told) == wanted


def test_the_template_of_pocket_is_the_one_it_was_given_by_hand():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights_folder())
    turns = spoken_turns(tokenizer)
    by_hand = pocket_modelfile("x.gguf", context=2048).split('"""')[1]
    for turns_given in (TALK[:1], TALK, [SYSTEM, *TALK]):
        # GGUF files of pocket are marked as having their first token written by the template.
        assert tokenizer.bos_token + go.render(turns.go(), turns_given) == go.render(by_hand, turns_given)


def test_a_template_that_is_not_said_turn_by_turn_is_not_guessed_at():
    def counting(turns):
        return f"{len(turns)} turns: " + "".join(f"[{t['role']}]{t['content']}" for t in turns) + "[assistant]"

    def last_only(turns):
        return f"[user]{turns[-1]['content']}[assistant]"

    def refusing(turns):
        raise DataError("no")

    assert turns_of(counting) is turns_of(last_only) is turns_of(refusing) is None
    text = modelfile("m.gguf", turns=None, stop="</s>", context=512)
    assert "TEMPLATE" not in text and text.startswith("FROM ./m.gguf\n") and 'stop "</s>"' in text


def test_the_modelfile_holds_template_context_and_stop():
    turns = spoken_turns(Templated("llama3"))
    text = modelfile("diplomat.gguf", turns=turns, stop="<|eot_id|>", context=8192)
    assert text.startswith('FROM ./diplomat.gguf\nTEMPLATE """') and text.split('"""')[1] == turns.go()
    assert "PARAMETER num_ctx 8192\n" in text and 'PARAMETER stop "<|eot_id|>"\n' in text and "SYSTEM" not in text
