"""Names of engines: what they mean, what is refused, and that writing a name again loses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.engines.spec import Spec, parse_spec, split_name
from cityfolk.errors import UsageError

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_./:", min_size=1, max_size=20)
NAME = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8).filter(
    lambda name: name not in {"key", "token", "secret", "apikey", "api_key", "password"}
)
HOST = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,4})?", fullmatch=True)
URL = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}{path}",
    st.sampled_from(["http", "https"]),
    HOST,
    st.one_of(st.just(""), st.integers(1, 65535).map(lambda n: f":{n}")),
    st.sampled_from(["", "/v1", "/a/v1"]),
)


@given(
    st.builds(
        Spec,
        model=WORD,
        urls=st.lists(URL, max_size=3).map(tuple),
        adapter=st.one_of(st.just(""), WORD),
        options=st.dictionaries(NAME, st.text(min_size=1, max_size=10), max_size=3),
    )
)
def test_a_name_written_again_is_the_same_name(spec):
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Spec()),
        ("qwen3:8b", Spec(model="qwen3:8b")),
        ("qwen3:8b@http://box:11434/", Spec(model="qwen3:8b", urls=("http://box:11434",))),
        (
            "org/m@http://a:8000/v1,https://b/v1?thinking=off&concurrency=64",
            Spec(
                model="org/m",
                urls=("http://a:8000/v1", "https://b/v1"),
                options={"thinking": "off", "concurrency": "64"},
            ),
        ),
        (
            "org/m+adapters/sentinel?dtype=bfloat16",
            Spec(model="org/m", adapter="adapters/sentinel", options={"dtype": "bfloat16"}),
        ),
        ("+adapters/x", Spec(adapter="adapters/x")),
        ("m?note=a%26b%3Dc", Spec(model="m", options={"note": "a&b=c"})),
    ],
)
def test_what_a_name_means(text, expected):
    assert parse_spec(text) == expected


def test_a_folder_may_hold_an_at_and_a_plus():
    assert parse_spec("./c++@home", remote=False, adapters=False) == Spec(model="./c++@home")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("m@localhost:8000", "not an address", "http://"),
        ("m@http://", "not an address", "http://"),
        ("m@http://h:99999/v1", "cannot be read", "http://"),
        ("m@http://a,", "not an address", "http://"),
        ("m?thinking", "NAME=VALUE", "thinking=off"),
        ("m?a=", "NAME=VALUE", "thinking=off"),
        ("m?", "NAME=VALUE", "thinking=off"),
        ("m?a=1&a=2", "twice", "once"),
        ("m+", "no adapter", "folder"),
        ("m?thinkin=off", "'thinkin'", "did you mean 'thinking'?"),
        ("m?zzz=off", "'zzz'", "its options: concurrency, thinking"),
    ],
)
def test_what_is_wrong_is_said(text, said, hint):
    with pytest.raises(UsageError, match=said) as caught:
        parse_spec(text, known=None if "a=1" in text else ("thinking", "concurrency"))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text", ["m@http://user:sk-123@h/v1", "m@https://sk-123@h/v1", "m@http://h/v1?api_key=sk-123", "m?Token=sk-123"]
)
def test_a_secret_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as caught:
        parse_spec(text)
    assert "sk-123" not in f"{caught.value} {caught.value.hint}"
    assert "environment" in caught.value.hint


def test_options_that_determine_a_reply_are_part_of_the_model():
    spec = parse_spec("qwen3:8b@http://h/v1?concurrency=4&thinking=off&schema=prompt")
    assert spec.identity("thinking", "schema") == "qwen3:8b?schema=prompt&thinking=off"
    assert parse_spec("qwen3:8b?concurrency=4").identity("thinking") == "qwen3:8b"


def test_options_are_read_with_their_type():
    spec = parse_spec("m?n=12&t=2.5&thinking=off")
    assert (spec.integer("n", 1), spec.number("t", 1.0), spec.word("thinking", ("on", "off"))) == (12, 2.5, "off")
    assert (spec.integer("x", 7), spec.number("x", 1.5), spec.word("x", ("a",), "b")) == (7, 1.5, "b")
    for read in (
        lambda: spec.integer("t", 1),
        lambda: spec.integer("n", 1, at_least=13),
        lambda: spec.number("thinking", 1.0),
        lambda: spec.number("t", 1.0, above=2.5),
        lambda: spec.word("thinking", ("yes", "no")),
    ):
        with pytest.raises(UsageError, match="cannot be"):
            read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pocket", ("pocket", "")),
        ("pocket:weights", ("pocket", "weights")),
        ("pocket+adapters/x", ("pocket", "+adapters/x")),
        ("pocket:weights+adapters/x", ("pocket", "weights+adapters/x")),
        ("ollama:qwen3:8b@http://h:1", ("ollama", "qwen3:8b@http://h:1")),
        ("plain?a=b:c", ("plain", "?a=b:c")),
    ],
)
def test_the_engine_and_the_rest(text, expected):
    assert split_name(text) == expected
