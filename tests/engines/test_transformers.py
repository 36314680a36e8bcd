"""Hugging Face models in process: the same tokens as the library's own generate, in any company."""

import json
import math
import os

import pytest
import torch

from cityfolk.engines.registry import load_engine
from cityfolk.engines.transformers import make
from cityfolk.errors import CityfolkError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.types import Message, Request, Sampling
from tests.engines import tiny_models

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the Hugging Face client is first imported, by a test

SYSTEM = "You are one of the people of the city. Answer as yourself, in plain words, and stay with the facts."
QUESTIONS = ("Where do you live?", "What do you do all day, and with whom, and why do you like it so?", "Hm?", "Age?")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_models.save_model(tmp_path_factory.mktemp("hf") / "llama")


@pytest.fixture(scope="module")
def engine(llama):
    return make(f"{llama}?batch=4&device=cpu")


def ask(engine, text, *, system=SYSTEM, schema=None, choices=(), adapter="", **sampling):
    turns = ((Message(role="system", content=system),) if system else ()) + (Message(role="user", content=text),)
    knobs = Sampling(**{"temperature": 0.0, "max_tokens": 24} | sampling)
    return Request(messages=turns, model=engine.model, schema=schema, choices=choices, adapter=adapter, sampling=knobs)


def test_an_adapter_of_other_weights_is_refused_and_a_commit_is_not_held_against_a_folder(llama, engine, tmp_path):
    folder = tiny_models.save_adapter(tmp_path / "kind", llama, seed=3)
    for about, said in (
        ({"model": "llama", "revision": engine.place.revision}, ""),
        ({"model": "llama", "revision": "f" * 12}, f"kind was trained on weights of the revision {'f' * 12}"),
        ({"model": "owner/llama", "revision": "f" * 12}, ""),
        ({"model": "llama"}, ""),
        ([], "training.json cannot be read"),
    ):
        (folder / "training.json").write_text(json.dumps(about))
        for use in (lambda: make(f"{llama}+{folder}").model, lambda: engine.adapter(str(folder))):
            if not said:
                assert "kind@" in use()
                continue
            with pytest.raises(CityfolkError, match=said) as refused:
                use()
            assert refused.value.hint.startswith("train")


def prompt_ids(tokenizer, request):
    turns = [{"role": m.role, "content": m.content} for m in request.messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return torch.tensor([tokenizer.encode(text, add_special_tokens=False)])


def reference(folder, requests, adapter=None):
    """What transformers' (or PEFT's) own greedy generate writes for each request alone, as text."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).eval()
    texts = {}
    for request in requests:
        ids = prompt_ids(tokenizer, request)
        limit = request.sampling.max_tokens
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, pad_token_id=1
        )
        texts[request.key] = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    return texts


def texts(engine, requests):
    replies = dict(engine.generate(requests))
    assert {reply.finish for reply in replies.values()} <= {"stop", "length"}, replies
    return {key: reply.text for key, reply in replies.items()}


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen3", "gemma3", "gpt2"])
def test_a_batch_of_unlike_lengths_writes_what_generate_writes_for_each_alone(kind, tmp_path):
    folder = tiny_models.save_model(tmp_path / kind, kind)
    engine = make(f"{folder}?batch=3&device=cpu")
    requests = [
        ask(engine, text, max_tokens=12 + 5 * n, system=SYSTEM if n % 2 else "") for n, text in enumerate(QUESTIONS * 2)
    ]
    ours = texts(engine, requests)
    assert ours == reference(folder, requests)
    assert len(set(ours.values())) > 3


def test_adapters_in_one_batch_write_what_peft_writes_for_each_alone(llama, tmp_path):
    first = tiny_models.save_adapter(tmp_path / "first", llama, seed=1)
    second = tiny_models.save_adapter(tmp_path / "second", llama, seed=2, target_modules=["k_proj", "o_proj"])
    engine = make(f"{llama}?batch=4&device=cpu")
    names = {"": None, engine.adapter(str(first)): first, engine.adapter(str(second)): second}
    requests = [ask(engine, text, adapter=name, max_tokens=16) for text in QUESTIONS for name in names]
    ours = texts(engine, requests)
    for name, folder in names.items():
        mine = [request for request in requests if request.adapter == name]
        assert {r.key: ours[r.key] for r in mine} == reference(llama, mine, folder)
    assert len(set(ours.values())) > len(QUESTIONS) * 2


def test_the_pocket_weights_with_an_adapter_write_what_peft_writes(tmp_path):
    folder = weights_folder()
    adapter = tiny_models.save_adapter(tmp_path / "analyst", folder, seed=3, scale=0.1)
    engine = make(f"{folder}+{adapter}?batch=4&device=cpu")
    assert "+analyst@" in engine.model
    requests = [ask(engine, text, max_tokens=20) for text in QUESTIONS]
    ours = texts(engine, requests)
    assert ours == reference(folder, requests, adapter)
    plain = [ask(engine, text, max_tokens=20, adapter="base") for text in QUESTIONS]
    without = texts(engine, plain)
    assert without == reference(folder, plain)
    assert sorted(without.values()) != sorted(ours.values())


def test_an_adapter_that_cannot_share_a_batch_is_computed_alone(llama, tmp_path):
    dora = tiny_models.save_adapter(tmp_path / "dora", llama, seed=4, use_dora=True)
    plain = tiny_models.save_adapter(tmp_path / "plain", llama, seed=5)
    engine = make(f"{llama}?batch=4&device=cpu")
    names = {"": None, engine.adapter(str(dora)): dora, engine.adapter(str(plain)): plain}
    requests = [ask(engine, text, adapter=name, max_tokens=12) for text in QUESTIONS[:2] for name in names]
    ours = texts(engine, requests)
    for name, folder in names.items():
        mine = [request for request in requests if request.adapter == name]
        assert {r.key: ours[r.key] for r in mine} == reference(llama, mine, folder)


SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 12},
            "age": {"type": "integer", "minimum": 18, "maximum": 99},
            "likes": {"type": "array", "items": {"enum": ["tea", "walks", "clocks"]}, "minItems": 1, "maxItems": 2},
        },
        "required": ["name", "age", "likes"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize("temperature", [0.0, 1.0, 5.0])
def test_replies_follow_their_schema_beside_free_ones(engine, temperature):
    requests = [
        ask(engine, text, schema=SCHEMA if n % 3 else None, temperature=temperature, max_tokens=120)
        for n, text in enumerate(QUESTIONS * 2)
    ]
    replies = dict(engine.generate(requests))
    for request in requests:
        reply = replies[request.key]
        if request.schema is not None:
            assert reply.finish == "stop", reply
            value = json.loads(reply.text)
            assert set(value) == {"name", "age", "likes"} and 18 <= value["age"] <= 99
            assert 1 <= len(value["name"]) <= 12 and 1 <= len(value["likes"]) <= 2


def test_a_masked_step_takes_the_likeliest_allowed_token(engine, llama):
    # Two words of which only one may come: without a mask the model would say something else.
    schema = '{"enum": ["tea", "walks"]}'
    replies = dict(engine.generate([ask(engine, text, schema=schema) for text in QUESTIONS]))
    assert {reply.text for reply in replies.values()} <= {'"tea"', '"walks"'}
    assert all(reply.completion_tokens >= 2 for reply in replies.values())


def scored(folder, request, stops):
    """Sum of log-probabilities of each choice and its end, by one plain forward pass a choice."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    head, scores = prompt_ids(tokenizer, request), []
    for choice in request.choices:
        ids = torch.tensor([tokenizer.encode(choice, add_special_tokens=False)])
        with torch.inference_mode():
            steps = model(input_ids=torch.cat((head, ids), 1)).logits[0].double().log_softmax(-1)[head.shape[1] - 1 :]
        total = steps[:-1].gather(1, ids[0, :, None]).sum() + torch.logsumexp(steps[-1, stops], 0)
        scores.append(float(total))
    return scores


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3"])
def test_choices_are_scored_to_their_end(kind, tmp_path):
    folder = tiny_models.save_model(tmp_path / kind, kind)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))
    engine = make(f"{folder}?batch=4&device=cpu")
    sets = [("Yes", "No", "Yes, and no"), ("1", "10", "100"), ("a long walk by the sea", "tea"), ("Yes", "No")]
    requests = [ask(engine, text, choices=choices) for text, choices in zip(QUESTIONS, sets, strict=True)]
    free = ask(engine, "And you?", max_tokens=5)
    replies = dict(engine.generate([*requests, free]))
    for request in requests:
        reply = replies[request.key]
        raw = scored(folder, request, [1, 2])
        total = math.log(math.fsum(math.exp(score - max(raw)) for score in raw)) + max(raw)
        assert reply.logprobs == pytest.approx([score - total for score in raw], abs=2e-3)
        assert math.isclose(math.fsum(map(math.exp, reply.logprobs)), 1, rel_tol=1e-9)
        assert reply.text == request.choices[max(range(len(raw)), key=raw.__getitem__)]
    assert replies[free.key].text == reference(folder, [free])[free.key]


def test_a_reply_ends_at_any_token_that_generation_config_names(llama, tmp_path):
    import shutil

    folder = tmp_path / "stops"
    shutil.copytree(llama, folder)
    engine = make(f"{folder}?device=cpu")
    request = ask(engine, QUESTIONS[0], max_tokens=8, temperature=0.0)
    tokenizer_ids = _written(engine, request)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, tokenizer_ids[3]]}))
    again = make(f"{folder}?device=cpu")
    assert again.model != engine.model
    reply = next(again.generate([request]))[1]
    assert reply.finish == "stop" and reply.completion_tokens == tokenizer_ids.index(tokenizer_ids[3]) + 1


def _written(engine, request):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = engine.place.folder
    ids = prompt_ids(AutoTokenizer.from_pretrained(folder), request)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    return out[0, ids.shape[1] :].tolist()


def test_a_seed_gives_the_same_reply_again_and_another_sample_another(engine):
    requests = [ask(engine, text, temperature=1.0, sample=n) for text in QUESTIONS for n in range(3)]
    once, backwards = texts(engine, requests), texts(engine, reversed(requests))
    assert once == backwards and len(set(once.values())) == len(requests)
    assert texts(engine, requests[:1])[requests[0].key] == once[requests[0].key]


def test_draws_follow_temperature_and_top_p():
    from cityfolk.engines.transformers_loop import _inverse

    chances = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    draws = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]

    def share(top_p):
        rows = chances.expand(len(draws), -1)
        return (torch.bincount(_inverse(rows, [top_p] * len(draws), draws), minlength=3) / len(draws)).tolist()

    assert share(1.0) == pytest.approx([0.2, 0.5, 0.3], abs=0.002)
    # .5 alone is not yet .6 of the probability, so the next likeliest comes in: .5 / .8 and .3 / .8.
    assert share(0.6) == pytest.approx([0, 0.625, 0.375], abs=0.002)
    assert share(0.5) == [0, 1, 0]


def test_requests_are_taken_only_when_there_is_room(engine):
    taken = []

    def stream():
        for n in range(11):
            taken.append(n)
            yield ask(engine, f"Number {n}?", max_tokens=3 + n)

    for settled, _ in enumerate(engine.generate(stream())):
        assert len(taken) <= settled + 1 + 4
    assert settled == 10


def test_a_source_that_has_nothing_yet_is_not_waited_for(engine):
    from cityfolk.engines.feed import Feed

    feed = Feed()
    feed.put(ask(engine, "First?", max_tokens=3))
    replies = []
    for _, reply in engine.generate(feed):  # the second is put in when the first is answered
        replies.append(reply)
        if len(replies) < 3:
            feed.put(ask(engine, f"Number {len(replies)}?", max_tokens=3))
        else:
            feed.close()
    assert len(replies) == 3


def test_what_prompts_share_is_computed_once(llama, monkeypatch):
    from cityfolk.engines.transformers_slots import Slots

    engine = make(f"{llama}?batch=4&device=cpu")
    requests = [ask(engine, text, system=SYSTEM * 4, max_tokens=1) for text in QUESTIONS * 1]
    next(engine.generate([ask(engine, "Warm?", system="", max_tokens=1)]))
    fed, feed = [], Slots.feed

    def counting(self, feeds, adapters):
        fed.extend(len(f.tokens) for f in feeds)
        return feed(self, feeds, adapters)

    monkeypatch.setattr(Slots, "feed", counting)
    replies = dict(engine.generate(requests))
    whole = [reply.prompt_tokens for reply in replies.values()]
    assert min(whole) > 100 and sum(fed) < max(whole) + 80


def test_a_prompt_longer_than_a_pass_is_fed_in_parts(llama, monkeypatch):
    from cityfolk.engines import transformers_loop

    monkeypatch.setattr(transformers_loop, "CHUNK", 40)
    monkeypatch.setattr(transformers_loop, "BUDGET", 64)
    engine = make(f"{llama}?batch=4&device=cpu")
    requests = [ask(engine, text, system=f"{n} {SYSTEM * 2}") for n, text in enumerate(QUESTIONS)]
    assert texts(engine, requests) == reference(llama, requests)


def test_schemas_that_force_tokens_are_followed_to_the_limit(engine):
    schema = '{"type":"object","properties":{"a_rather_long_name_of_a_field":{"enum":["x"]}},"required":["a_rather_long_name_of_a_field"],"additionalProperties":false}'  # noqa: E501
    whole = next(engine.generate([ask(engine, "Go", schema=schema, max_tokens=60)]))[1]
    assert whole.finish == "stop" and json.loads(whole.text) == {"a_rather_long_name_of_a_field": "x"}
    for limit in range(1, whole.completion_tokens):
        cut = next(engine.generate([ask(engine, "Go", schema=schema, max_tokens=limit)]))[1]
        assert cut.finish == "length" and cut.completion_tokens == limit


def test_one_bad_request_does_not_stop_the_others(engine):
    good = [ask(engine, text) for text in QUESTIONS]
    bad = {
        "schema": ask(engine, "a", schema='{"type":"colour"}'),
        "no JSON": ask(engine, "a", schema="{"),
        "reads 1024": ask(engine, "many words " * 600),
        "not made known": ask(engine, "a", adapter="nobody@0"),
        "choice is empty": ask(engine, "a", choices=("", "b")),
    }
    replies = dict(engine.generate([*bad.values(), *good]))
    for words, request in bad.items():
        assert replies[request.key].finish == "error" and words in replies[request.key].error
        assert replies[request.key].text == ""
    assert all(replies[request.key].finish != "error" for request in good)


def test_it_is_found_by_its_name(llama):
    engine = load_engine(f"hf:{llama}?batch=2&device=cpu&thinking=off&dtype=float32")
    assert engine.name == "hf" and engine.batch == 2
    assert engine.model.startswith("llama@") and engine.model.endswith("?dtype=float32&thinking=off")
