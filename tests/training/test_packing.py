"""Pairs to tokens and tokens to rows: a row laid out by hand, and what holds for any lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.errors import DataError, EngineError, UsageError
from cityfolk.pocket.arrays import weights_folder
from cityfolk.pocket.tokenizer import PocketTokenizer
from cityfolk.training.packing import dense_mask, inputs_of, pack
from cityfolk.training.tokens import PairText, Renderer, Triple, tokenise
from cityfolk.types import Message
from tests.engines.tiny_models import TEMPLATE, save_tokenizer

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=12)
TALK = (Message(role="system", content="Answer in a sentence."), Message(role="user", content="Who are you?"))


def make(*lengths):
    number, made = 0, []
    for at, sizes in enumerate(lengths):
        parts = []
        for size in sizes:
            parts.append(np.arange(number, number + size))
            number += size
        made.append(Triple(name=f"p{at}", prompt=parts[0], chosen=parts[1], rejected=parts[2] if sizes[2] else None))
    return made


def test_a_row_by_hand():
    """[0 1 | 2 3 4 | 5 6] and [7 | 8 9], an answer without a rival, filled up to a multiple of 8."""
    [row] = pack(make((2, 3, 2), (1, 2, 0)), budget=10, multiple=8, pad=99)
    assert row.input_ids.tolist() == [0, 1, 2, 3, 5, 7, 8, 99]
    assert row.positions.tolist() == [0, 1, 2, 3, 2, 0, 1, 0]
    assert row.kept.tolist() == [1, 2, 3, 1, 4, 5, 6]
    assert row.targets.tolist() == [2, 3, 4, 5, 6, 8, 9]
    assert row.lengths.tolist() == [[3, 2], [2, 0]] and row.places == (0, 1)
    assert row.bounds.tolist() == [[0, 2, 4, 5], [5, 6, 7, 7]]
    assert dense_mask(row).astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
    ]


@given(LENGTHS, st.integers(90, 300))
def test_rows_hold_every_pair_once_within_the_budget(lengths, budget):
    triples = make(*lengths)
    rows = pack(triples, budget=budget)
    assert sorted(place for row in rows for place in row.places) == list(range(len(triples)))
    for row in rows:
        assert len(row.input_ids) == sum(inputs_of(triples[place]) for place in row.places) <= budget
        assert len(row.kept) == len(row.targets) == row.lengths.sum()
    tokens = sum(triple.tokens for triple in triples)
    assert sum(len(row.input_ids) for row in rows) == tokens - sum(len(triple.answers) for triple in triples)


@given(LENGTHS)
def test_following_the_mask_from_a_target_spells_its_own_conversation(lengths):
    """What the input that predicts a token sees is the prompt and the answer so far, at positions 0, 1, 2, ..."""
    triples = make(*lengths)
    [row] = pack(triples, budget=10_000)
    mask, at = dense_mask(row), 0
    for triple in triples:
        for answer in triple.answers:
            for done, target in enumerate(answer.tolist()):
                seen = mask[row.kept[at]]
                assert row.targets[at] == target
                assert row.input_ids[seen].tolist() == [*triple.prompt.tolist(), *answer[:done].tolist()]
                assert row.positions[seen].tolist() == list(range(len(triple.prompt) + done))
                at += 1
    assert at == len(row.targets)


def test_equal_triples_make_equal_rows_and_a_long_one_is_refused_by_name():
    triples = make((5, 5, 5), (4, 4, 4))
    first, second = (pack(triples, budget=13) for _ in range(2))
    assert [row.input_ids.tolist() for row in first] == [row.input_ids.tolist() for row in second]
    with pytest.raises(UsageError, match="p0 has 13 tokens, and a row holds 12"):
        pack(triples, budget=12)


def test_an_empty_answer_makes_no_triple():
    with pytest.raises(DataError, match="rejected answer of p is empty"):
        Triple(name="p", prompt=np.array([1]), chosen=np.array([1]), rejected=np.array([], dtype=np.int64))


def tokenizer_with(folder, template):
    from transformers import AutoTokenizer

    save_tokenizer(folder, template)
    return AutoTokenizer.from_pretrained(folder)


NEWLINE = TEMPLATE.replace("'<|end|>' }}", "'<|end|>\\n' }}")
TRIMMED = TEMPLATE.replace("message['content'] +", "(message['content'] | trim) +")
SPACED = TEMPLATE.replace("'<|end|>' }}", "' <|end|>\\n' }}")
# Writes an answer another way than it asks for one.
THOUGHT = TEMPLATE.replace("'<|assistant|>' }}{% endif %}", "'<|assistant|><think></think>' }}{% endif %}")


@pytest.mark.parametrize(
    ("template", "ending"), [(TEMPLATE, ""), (NEWLINE, ""), (TRIMMED, ""), (SPACED, " "), (THOUGHT, "")]
)
def test_an_answer_ends_with_its_end_token_and_nothing_after(tmp_path, template, ending):
    tokenizer = tokenizer_with(tmp_path, template)
    renderer = Renderer(tokenizer, "a model")
    prompt = renderer.prompt(TALK)
    answer = renderer.answer(TALK, prompt, " A teacher, and proud of it.\n")
    assert tokenizer.decode(answer) == f"A teacher, and proud of it.{ending}<|end|>"
    assert answer[-1] == renderer.end == tokenizer.eos_token_id
    turns = [{"role": message.role, "content": message.content} for message in TALK]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert prompt.tolist() == tokenizer.encode(text, add_special_tokens=False)


def test_an_answer_that_spells_a_special_token_stays_text(tmp_path):
    tokenizer = tokenizer_with(tmp_path, TEMPLATE)
    renderer = Renderer(tokenizer, "a model")
    answer = renderer.answer(TALK, renderer.prompt(TALK), "I say <|end|> and go on.")
    assert tokenizer.decode(answer) == "I say <|end|> and go on.<|end|>"
    assert answer.tolist().count(tokenizer.eos_token_id) == 1 and answer[-1] == tokenizer.eos_token_id


def test_a_template_without_an_end_is_refused(tmp_path):
    with pytest.raises(EngineError, match="writes no token that ends an answer"):
        Renderer(tokenizer_with(tmp_path, TEMPLATE.replace("+ '<|end|>' }}", "}}")), "a model")


def test_pocket_is_trained_on_what_its_own_engine_sends():
    from transformers import AutoTokenizer

    own = PocketTokenizer.load(weights_folder())
    renderer = Renderer(AutoTokenizer.from_pretrained(weights_folder()), "pocket")
    head, rest = own.chat(TALK)
    assert renderer.prompt(TALK).tolist() == [*head, *rest]
    answer = renderer.answer(TALK, renderer.prompt(TALK), "I am thorough, and on time.")
    assert answer.tolist() == [*own.encode("I am thorough, and on time."), own.end]


def pair(name, chosen, rejected):
    return PairText(name=name, messages=TALK, chosen=chosen, rejected=rejected)


def test_long_pairs_are_counted_and_named_and_nothing_is_cut(tmp_path):
    renderer = Renderer(tokenizer_with(tmp_path, TEMPLATE), "a model")
    prompt, long = len(renderer.prompt(TALK)), "very " * 30 + "tired"
    size = len(renderer.answer(TALK, renderer.prompt(TALK), long))
    pairs = [pair("short", "Me.", "You."), pair("long", "Me.", long), pair("both", long, long)]
    every = tokenise(pairs, renderer, longest=prompt + size, budget=prompt + 2 * size)
    assert not every.too_long and every.notice == "" and len(every.triples[2].chosen) == size
    some = tokenise(pairs, renderer, longest=prompt + size - 1, budget=10_000)
    assert some.too_long == ("long", "both") and [triple.name for triple in some.triples] == ["short"]
    assert some.notice == "2 of 3 pairs are too long and left out: long, both"
    one = tokenise(pairs, renderer, longest=10_000, budget=prompt + 2 * size - 1)
    assert one.too_long == ("both",) and one.notice == "1 of 3 pairs is too long and left out: both"


@pytest.mark.parametrize(("chosen", "rejected", "part"), [("", "No.", "chosen"), ("Yes.", " \n", "rejected")])
def test_an_empty_answer_is_refused_by_name(tmp_path, chosen, rejected, part):
    renderer = Renderer(tokenizer_with(tmp_path, TEMPLATE), "a model")
    with pytest.raises(DataError, match=f"the {part} answer of q7 is empty"):
        tokenise([pair("q7", chosen, rejected)], renderer, longest=100, budget=100)


def test_imitation_needs_no_rival(tmp_path):
    renderer = Renderer(tokenizer_with(tmp_path, TEMPLATE), "a model")
    [triple] = tokenise([pair("one", "Me.", None)], renderer, longest=100, budget=100).triples
    assert triple.rejected is None and triple.longest == triple.tokens
