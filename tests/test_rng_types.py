import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk import rng
from cityfolk.errors import DataError
from cityfolk.personality.words import CUTS, LEVELS, describe, level, trait_phrase
from cityfolk.types import BigFive, Household, Message, Reply, Request, Sampling, content_key
from cityfolk.vocabulary import TRAITS

PERCENTILES = st.floats(0.001, 0.999)
VECTORS = st.builds(BigFive, **dict.fromkeys(TRAITS, PERCENTILES))


@given(st.integers(0, 2**40), st.integers(1, 300), st.integers(0, 300))
def test_a_persons_draw_does_not_depend_on_who_else_is_drawn(seed, n, more):
    few, many = (rng.uniform_at(seed, "place", ids=np.arange(k)) for k in (n, n + more))
    assert (many[:n] == few).all() and ((few > 0) & (few < 1)).all()


def test_addressed_numbers_are_uniform_and_unrelated():
    ids = np.arange(200_000)
    a, b = rng.uniform_at(1, "a", ids=ids), rng.uniform_at(1, "b", ids=ids)
    counts, _ = np.histogram(a, bins=100, range=(0, 1))
    # 99 degrees of freedom: chi-squared above 149 happens once in a thousand.
    assert ((counts - 2000) ** 2 / 2000).sum() < 149
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.01
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.01


def test_addresses_are_pinned():
    """A changed hash would change everybody in every published study."""
    # printf '0/cambridge-ma/person/412' | sha256sum | head -c 16
    assert rng.derive(0, "cambridge-ma", "person", 412) == 0x83EC6AF652BB28C3
    assert rng.uniform_at(0, "cambridge-ma", "person", ids=[412])[0] == 0.17957853026690224
    assert rng.child(0, "x").random() == rng.child(0, "x").random() != rng.child(1, "x").random()


@given(VECTORS)
def test_a_vector_keeps_its_order_and_its_values(vector):
    assert [trait for trait, _ in vector.items()] == list(TRAITS)
    assert BigFive(**dict(vector.items())) == vector


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 1.2, float("nan")])
def test_a_percentile_outside_its_range_is_refused(bad):
    with pytest.raises(DataError):
        BigFive(**{**dict.fromkeys(TRAITS, 0.5), "openness": bad})


def test_clipping_moves_the_ends_and_nothing_else():
    vector = BigFive.clipped(openness=0.0, conscientiousness=1.0, extraversion=0.3, agreeableness=0.5, neuroticism=0.9)
    assert [value for _, value in vector.items()] == [0.001, 0.999, 0.3, 0.5, 0.9]
    with pytest.raises(DataError):
        BigFive.clipped(**{**dict.fromkeys(TRAITS, 0.5), "neuroticism": 25})


def request(**changes):
    base = Request(
        messages=(Message(role="user", content="hello"),), model="m@1", sampling=Sampling(seed=1), label="a", adapter=""
    )
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": (Message(role="user", content="hallo"),)},
        {"messages": (Message(role="system", content="hello"),)},
        {"model": "m@2"},
        {"adapter": "kind"},
        {"schema": "{}"},
        {"choices": ("Yes", "No")},
        {"sampling": Sampling(seed=2)},
        {"sampling": Sampling(seed=1, sample=1)},
        {"sampling": Sampling(seed=1, temperature=0.1)},
        {"sampling": Sampling(seed=1, max_tokens=3)},
    ],
)
def test_whatever_determines_an_answer_changes_the_key(changes):
    assert request(**changes).key != request().key


@given(st.lists(st.text(), min_size=1, max_size=3), st.text(min_size=1), st.none() | st.text())
def test_a_key_is_the_content_key_of_what_determines_an_answer(contents, model, schema):
    messages = tuple(Message(role="user", content=content) for content in contents)
    sampling = Sampling(temperature=0.3, seed=5)
    asked = Request(messages=messages, model=model, schema=schema, sampling=sampling, adapter="kind")
    parts = [[dataclasses.asdict(m) for m in messages], schema, [], dataclasses.asdict(sampling), model, "kind"]
    assert asked.key == content_key(parts)


def test_labels_and_attempts_do_not_change_the_key_but_attempts_change_the_seed():
    assert request(label="b").key == request().key == request(attempt=1).key
    assert request(attempt=1).seed != request().seed
    assert 0 <= request().seed < 2**31


def test_schema_and_choices_exclude_each_other():
    with pytest.raises(DataError):
        request(schema="{}", choices=("a", "b"))


def test_a_household_checks_itself():
    with pytest.raises(DataError):
        Household(household_id=1, kind="group_quarters", size=1)
    with pytest.raises(DataError):
        Household(household_id=1, kind="family", gq_type="correctional", size=1)
    with pytest.raises(DataError):
        Household(household_id=1, kind="castle", size=1)
    with pytest.raises(DataError):
        Household(household_id=1, kind="family", size=0)


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Reply(text="a", model="m").text = "b"


def test_content_keys_are_sha256_of_canonical_json():
    # printf '{"a":[1,"é"],"b":null}' | sha256sum | head -c 32
    assert content_key({"b": None, "a": [1, "é"]}) == "1e02bc81a26af2f027329541e97eef36"


@pytest.mark.parametrize(("low", "high", "name"), list(zip((0.0, *CUTS), (*CUTS, 1.0), LEVELS, strict=True)))
def test_a_level_begins_at_its_cut(low, high, name):
    assert level(low) == name == level((low + high) / 2) == level(high - 1e-9)


def test_words_are_graded_and_name_the_rank():
    assert trait_phrase("openness", 0.5) == "average, 50th of 100 adults"
    assert trait_phrase("openness", 0.9012).startswith("very high, 90th of 100 adults (imaginative")
    assert trait_phrase("neuroticism", 0.011).startswith("extremely low, 1st of 100 adults (calm")
    assert [trait_phrase("openness", p).split()[-4] for p in (0.42, 0.43, 0.51, 0.53)] == [
        "42nd",
        "43rd",
        "51st",
        "53rd",
    ]
    assert trait_phrase("openness", 0.112).split()[2] == "11th" and "12th" in trait_phrase("openness", 0.12)
    lines = describe(BigFive(**dict.fromkeys(TRAITS, 0.5)))
    assert [line.split(":")[0].lower() for line in lines] == list(TRAITS)
