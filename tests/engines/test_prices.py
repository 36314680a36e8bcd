"""Prices: each shipped one has a source and a date, the user's own come first, and none is made up."""

import re

import pytest

from cityfolk.engines.prices import LOCAL, Price, load_prices, parse_prices, price_of
from cityfolk.errors import DataError

ROW = '[models."m"]\nprompt = 1\ncompletion = 2.5\nsource = "their page"\ndate = "2026-01-31"\n'


def test_every_shipped_price_says_where_and_when_it_was_read(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CITYFOLK_PRICES", raising=False)
    prices = load_prices()
    assert prices
    for price in prices.values():
        assert re.search(r"https://\S+", price.source) and re.fullmatch(r"20\d\d-\d\d(-\d\d)?", price.date)
        assert 0 < price.prompt < price.completion and (price.cached is None or price.cached < price.prompt)


def test_the_users_own_table_adds_and_corrects(monkeypatch, tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text(ROW + ROW.replace('"m"', '"gpt-4o-mini"'))
    monkeypatch.setenv("CITYFOLK_PRICES", str(own))
    prices = load_prices()
    assert (
        prices["m"] == prices["gpt-4o-mini"] == Price(prompt=1, completion=2.5, source="their page", date="2026-01-31")
    )
    monkeypatch.setenv("CITYFOLK_PRICES", str(tmp_path / "nowhere.toml"))
    with pytest.raises(DataError, match="cannot be read"):
        load_prices()


def test_a_price_by_hand():
    # 1,000 tokens at 1 dollar and 200 at 2.5 dollars a million: 0.001 + 0.0005
    assert parse_prices(ROW, "p")["m"].of(1000, 200) == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("completion = 2.5\n", ""), "lacks completion"),
        (("source", "sauce"), "lacks source"),
        (("prompt = 1", 'prompt = "1"'), "not a number of dollars"),
        (("prompt = 1", "prompt = -1"), "not a number of dollars"),
        (("prompt = 1", "prompt = true"), "not a number of dollars"),
        (('"their page"', '""'), "source or date"),
        (("date", "extra = 1\ndate"), "unknown key 'extra'"),
        (("[models", "[[models"), "is not a readable TOML|is not a table"),
        (("prompt = 1", "prompt = "), "not a readable TOML"),
    ],
)
def test_what_is_no_price_is_said(change, said):
    with pytest.raises(DataError, match=said) as caught:
        parse_prices(ROW.replace(*change), "own.toml")
    assert "own.toml" in str(caught.value)


def test_local_engines_cost_nothing_and_strangers_are_not_known():
    prices = {"m": Price(prompt=1.0)}
    assert price_of("openai", "m?thinking=off", prices) == prices["m"]
    assert price_of("pocket", "pocket-1@1", prices) == LOCAL
    assert price_of("ollama", "qwen3:8b", prices, urls=("http://other:11434/v1",)) == LOCAL
    assert price_of("openai", "x", prices, urls=("http://localhost:8000/v1", "http://127.0.0.1:8001/v1")) == LOCAL
    assert price_of("openai", "x", prices, urls=("http://localhost:8000/v1", "https://api.example.com/v1")) is None
    assert price_of("openai", "x", prices) is None
