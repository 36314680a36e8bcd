"""The embedded engine: its name, adapters switched per request, threads and slots that change no reply."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from cityfolk.engines.feed import Feed
from cityfolk.engines.pocket import PocketEngine
from cityfolk.engines.registry import load_engine
from cityfolk.engines.transformers_load import find_model
from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.pocket.adapters import adapter_revision
from cityfolk.pocket.arrays import load_weights, revision, weights_folder
from cityfolk.types import Message, Request, Sampling, ScoredReply, ScoredRequest

PEOPLE = ("Ana, 30, a nurse", "Bo, 71, retired", "Cy, 19, a student", "Di, 45, a teacher", "Ed, 52, a cook")


def ask(engine, text, adapter="", **sampling):
    messages = (Message(role="system", content="You are a citizen."), Message(role="user", content=text))
    settings = Sampling(**{"max_tokens": 20, "temperature": 0.0, **sampling})
    return Request(messages=messages, model=engine.model, adapter=adapter, sampling=settings)


@pytest.fixture(scope="module")
def peft_adapters(tmp_path_factory):
    """Two adapters with weights of no meaning, made and saved by PEFT; and PEFT's model with both."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(weights_folder(), dtype=torch.float32)
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    configs = {
        "first": LoraConfig(r=4, lora_alpha=8, target_modules=linear, init_lora_weights=False),
        "second": LoraConfig(
            r=8,
            lora_alpha=16,
            use_rslora=True,
            target_modules=["q_proj", "down_proj"],
            alpha_pattern={r"layers\.[01]\.self_attn\.q_proj": 32},
            rank_pattern={r"layers\.[01]\.self_attn\.q_proj": 2},
            init_lora_weights=False,
        ),
    }
    model = get_peft_model(base, configs["first"], adapter_name="first")
    model.add_adapter("second", configs["second"])
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.06, generator=generator)
    folder = tmp_path_factory.mktemp("adapters")
    model.save_pretrained(str(folder))
    return model.eval(), {name: str(folder / name) for name in configs}


def by_peft(model, name, engine, request):
    import torch

    tokenizer = engine._server._model.tokenizer
    head, rest = tokenizer.chat(request.messages)
    ids = torch.tensor([[*head, *rest]])
    model.set_adapter(name)
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=request.sampling.max_tokens,
            do_sample=False,
            eos_token_id=tokenizer.end,
            pad_token_id=tokenizer.end,
            suppress_tokens=[token for token in tokenizer.special if token != tokenizer.end],
        )
    return tokenizer.decode(out[0, ids.shape[1] :].tolist())


def test_adapters_switched_per_request_equal_peft(peft_adapters):
    model, folders = peft_adapters
    engine = PocketEngine(slots=8, workers=2)
    requests = [ask(engine, text, folders[name]) for text in PEOPLE for name in folders]
    plain = [ask(engine, text) for text in PEOPLE]
    replies = dict(engine.generate([*requests, *plain]))
    for text in PEOPLE:
        said = {name: replies[ask(engine, text, folder).key].text for name, folder in folders.items()}
        for name in folders:
            assert said[name] == by_peft(model, name, engine, ask(engine, text))
        assert len({*said.values(), replies[ask(engine, text).key].text}) == 3


def test_an_adapter_in_the_engines_name(peft_adapters):
    folder = peft_adapters[1]["first"]
    named, bare = load_engine(f"pocket+{folder}"), PocketEngine()
    assert named.model == f"{bare.model}+first@{adapter_revision(Path(folder))}"
    by_name = next(named.generate([ask(named, PEOPLE[0])]))[1]
    by_request = next(bare.generate([ask(bare, PEOPLE[0], folder)]))[1]
    assert by_name.text == by_request.text and by_name.model == named.model


def test_an_adapter_of_other_weights_is_refused_before_it_says_a_word(peft_adapters, tmp_path):
    folder = tmp_path / "diplomat"
    shutil.copytree(peft_adapters[1]["first"], folder)
    own = (revision(weights_folder()), find_model(str(weights_folder())).revision)
    for known in own:
        (folder / "training.json").write_text(json.dumps({"model": "pocket", "revision": known}))
        assert PocketEngine(f"+{folder}").model.startswith(f"pocket-1@{own[0]}+diplomat@")
    (folder / "training.json").write_text(json.dumps({"model": "pocket", "revision": "f" * 12}))
    with pytest.raises(EngineError, match=f"diplomat was trained on weights of the revision {'f' * 12}") as refused:
        PocketEngine(f"+{folder}").model  # noqa: B018 - a property that raises
    assert refused.value.hint.startswith("train it again")
    bare = PocketEngine()
    [(_, reply)] = bare.generate([ask(bare, "Who are you?", adapter=str(folder), max_tokens=2)])
    assert reply.finish == "error" and "was trained on weights of the revision" in reply.error
    with pytest.raises(EngineError, match="was trained on weights of the revision"):
        list(PocketEngine(f"+{folder}").generate([ask(bare, "Who are you?", max_tokens=2)]))
    with pytest.raises(EngineError, match="was trained on weights of the revision"):
        PocketEngine(f"+{folder}").given((Message(role="user", content="Hm?"),), "Yes.")


def test_merged_weights_are_those_that_peft_merges(peft_adapters):
    model, folders = peft_adapters
    for name, folder in folders.items():
        model.set_adapter(name)
        model.merge_adapter([name])
        theirs = model.base_model.model.model.layers
        ours = load_weights(weights_folder(), Path(folder)).layers
        for layer, other in zip(ours, theirs, strict=True):
            q = other.self_attn.q_proj.base_layer.weight.detach().numpy().T
            down = other.mlp.down_proj.base_layer.weight.detach().numpy().T
            assert np.abs(layer.qkv[:, : q.shape[1]] - q).max() < 1e-5
            assert np.abs(layer.down - down).max() < 1e-5
        model.unmerge_adapter()


def test_an_adapter_that_does_not_fit_is_said(tmp_path, peft_adapters):
    from safetensors.numpy import load_file, save_file

    engine = PocketEngine(slots=2)
    missing = next(engine.generate([ask(engine, "Hello", str(tmp_path / "none"))]))[1]
    assert missing.finish == "error" and "no adapter" in missing.error
    with pytest.raises(EngineError, match="no adapter"):
        _ = PocketEngine(f"+{tmp_path / 'none'}").model
    good = Path(peft_adapters[1]["first"])
    config, tensors = (
        json.loads((good / "adapter_config.json").read_text()),
        load_file(good / "adapter_model.safetensors"),
    )
    spoiled = [
        ({**config, "use_dora": True}, tensors, "use_dora"),
        ({**config, "bias": "all"}, tensors, "bias"),
        (config, {"base_model.model.model.layers.9.x.lora_A.weight": np.zeros((1, 1))}, "does not have"),
        (config, {name: value[:, :7] for name, value in tensors.items()}, "does not fit"),
        (config, {"odd": np.zeros(2)}, "no LoRA matrix"),
        (config, {}, "empty"),
    ]
    for number, (settings, values, words) in enumerate(spoiled):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(settings))
        save_file(
            {name: np.ascontiguousarray(value) for name, value in values.items()}, folder / "adapter_model.safetensors"
        )
        with pytest.raises(DataError, match=words):
            load_weights(weights_folder(), folder)
    with pytest.raises(UsageError):
        PocketEngine("?slots=3")


def test_threads_and_slots_change_no_reply():
    short = {"type": "string", "maxLength": 20}
    schema = json.dumps(
        {"type": "object", "properties": {"a": short}, "required": ["a"], "additionalProperties": False}
    )
    made = []
    for slots, workers in ((1, 1), (3, 1), (5, 2), (40, 3)):
        engine = PocketEngine(slots=slots, workers=workers)
        requests = [ask(engine, f"{text}, {n}", temperature=1.0, sample=n) for n in range(3) for text in PEOPLE]
        requests += [
            Request(messages=one.messages, model=one.model, schema=schema, sampling=one.sampling)
            for one in requests[::3]
        ]
        made.append({key: reply.text for key, reply in engine.generate(requests)})
        assert len(made[-1]) == len(requests)
    assert all(other == made[0] for other in made[1:])


def test_two_streams_at_once_and_a_stream_that_is_left():
    engine = PocketEngine(slots=4, workers=2)
    requests = [ask(engine, text, temperature=1.0) for text in PEOPLE]
    whole = {key: reply.text for key, reply in engine.generate(requests)}
    first, second = engine.generate(requests), engine.generate(reversed(requests))
    mixed = [next(first), next(second), next(first), next(second)]
    first.close()
    mixed += list(second)
    assert all(reply.text == whole[key] for key, reply in mixed) and len(mixed) == 2 + len(requests)
    assert not [thread for thread in threading.enumerate() if thread.name == "pocket"]


def test_a_source_that_fails_ends_the_stream_and_its_threads():
    engine = PocketEngine(slots=2)

    def broken():
        yield ask(engine, "Hello")
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        list(engine.generate(broken()))
    assert not [thread for thread in threading.enumerate() if thread.name == "pocket"]


@pytest.mark.parametrize("aware", [True, False])
def test_requests_that_come_one_by_one_are_answered_while_others_run(aware):
    """A reply is given as soon as it is there, though nobody has asked for more."""

    class Unaware:
        """An engine that knows nothing of `ready`."""

        def generate(self, requests):
            yield from engine.generate(request for request in requests)

    engine = PocketEngine(slots=4)
    feed, replies, came = Feed(), {}, threading.Event()

    def answer():
        for stream in feed.streams():
            for key, reply in (engine if aware else Unaware()).generate(stream):
                feed.answered()
                replies[key] = reply
                came.set()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    requests = [ask(engine, text, max_tokens=4 + 3 * n) for n, text in enumerate(PEOPLE)]
    for request in requests[:2]:
        feed.put(request)
        assert came.wait(60)
        came.clear()
    for request in requests[2:]:
        feed.put(request)
    while len(replies) < len(requests):
        assert came.wait(60)
        came.clear()
    feed.close()
    thread.join(30)
    assert not thread.is_alive() and replies.keys() == {request.key for request in requests}


def test_scores_of_tokens_are_those_of_choices():
    """The probability of a one-token answer, read in two ways: as a choice, and as the score of a token."""
    engine = PocketEngine(slots=2)
    scored = ScoredRequest(
        messages=(Message(role="user", content="Is it so? Answer Yes or No."),),
        model=engine.model,
        sampling=Sampling(temperature=0.0, max_tokens=8),
        top=20,
    )
    plain = Request(messages=scored.messages, model=scored.model, sampling=scored.sampling)
    assert scored.key == plain.key
    replies = [next(engine.generate([request]))[1] for request in (scored, plain)]
    assert isinstance(replies[0], ScoredReply) and not isinstance(replies[1], ScoredReply)
    assert replies[0].text == replies[1].text
    assert b"".join(score.token for score in replies[0].scores).decode() == replies[0].text
    total = sum(np.exp(logprob) for _, logprob in replies[0].scores[0].top)
    assert 0 < total <= 1 + 1e-9
