"""The numpy decoder agrees with transformers' Llama on the same files, and rows never depend on one another."""

import numpy as np
import pytest

from cityfolk.pocket.decoder import Decoder
from cityfolk.profiles.prompts import profile_messages


@pytest.fixture(scope="module")
def reference(folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def prompts(citizens, tokenizer):
    return [[*head, *rest] for head, rest in (tokenizer.chat(profile_messages(c)) for c in citizens[:3])]


def test_the_chat_template_writes_the_same_prompt(reference, citizens, prompts):
    messages = [{"role": m.role, "content": m.content} for m in profile_messages(citizens[0])]
    encoded = reference[1].apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    assert list(encoded["input_ids"]) == prompts[0]


def test_logits_of_a_prompt_agree_with_transformers(reference, prompts, weights):
    import torch

    decoder = Decoder(weights, 4)
    for ids in prompts:
        ours = decoder.prefill(2, ids, wanted=len(ids))
        with torch.no_grad():
            theirs = reference[0](torch.tensor([ids])).logits[0].numpy()
        assert np.abs(ours - theirs).max() < 2e-3


def test_greedy_text_agrees_with_transformers(reference, prompts, weights):
    import torch

    decoder = Decoder(weights, len(prompts))
    last = np.stack([decoder.prefill(slot, ids)[-1] for slot, ids in enumerate(prompts)])
    places = np.array([len(ids) for ids in prompts])
    ours = [[] for _ in prompts]
    for _ in range(24):
        tokens = last.argmax(axis=1)
        for row, token in zip(ours, tokens, strict=True):
            row.append(int(token))
        last = decoder.step(tokens, places)
        places = places + 1
    for ids, row in zip(prompts, ours, strict=True):
        with torch.no_grad():
            theirs = reference[0].generate(
                torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=24,
                do_sample=False,
                eos_token_id=None,
            )
        assert theirs[0, len(ids) :].tolist() == row


def test_a_slot_does_not_feel_its_neighbors(prompts, weights):
    """The same conversation in any slot, beside any others, has the same logits to the last bit."""
    slots = 8
    alone, crowded = Decoder(weights, slots), Decoder(weights, slots)
    ids, other = prompts[0], prompts[1] * 4
    first, second = alone.prefill(0, ids), crowded.prefill(5, ids)
    assert np.array_equal(first, second)
    for slot in (0, 1, 2, 3, 4, 6, 7):
        crowded.prefill(slot, other[: 40 + 150 * slot])
    for number in range(40):
        token = int(first[-1].argmax())
        tokens, places = np.zeros(slots, dtype=np.intp), np.zeros(slots, dtype=np.intp)
        tokens[0], places[0] = token, len(ids) + number
        first = alone.step(tokens, places)[:1]
        tokens, places = np.full(slots, 77), np.array([40 + 150 * s + number for s in range(slots)])
        tokens[5], places[5] = token, len(ids) + number
        second = crowded.step(tokens, places)[5:6]
        assert np.array_equal(first, second), number


def test_a_saved_head_is_as_good_as_a_computed_one(prompts, weights):
    decoder = Decoder(weights, 4)
    head, rest = prompts[0][:90], prompts[0][90:]
    decoder.prefill(1, head)
    saved = decoder.save(1, len(head))
    first = decoder.prefill(1, rest, len(head))
    decoder.prefill(3, prompts[1])
    decoder.restore(3, saved)
    assert np.array_equal(first, decoder.prefill(3, rest, len(head)))


def test_stepping_and_prefilling_agree(prompts, weights):
    decoder = Decoder(weights, 2)
    ids = prompts[0]
    whole = decoder.prefill(0, ids)
    decoder.prefill(1, ids[:-1])
    stepped = decoder.step(np.array([0, ids[-1]]), np.array([len(ids), len(ids) - 1]))[1]
    assert np.abs(whole[0] - stepped).max() < 1e-3
