"""Wrappers: what they let through, what they hold back, and that they stack."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.engines.ask import ask
from cityfolk.engines.budget import Budget, Purse
from cityfolk.engines.cache import Cache
from cityfolk.engines.prices import Price
from cityfolk.engines.wrapper import RateLimit, Retry, Wrapper, prompt_estimate
from cityfolk.errors import DataError, IncompleteError
from cityfolk.study.journal import Journal
from cityfolk.types import Message, Reply, Request, Sampling
from tests.fakes import Echo


def requests(n, *, start=0, words=10, max_tokens=50, attempt=0):
    sampling = Sampling(max_tokens=max_tokens)
    return [
        Request(
            messages=(Message(role="system", content="x " * words), Message(role="user", content=str(number))),
            model="echo@1",
            sampling=sampling,
            attempt=attempt,
        )
        for number in range(start, start + n)
    ]


class Metered(Echo):
    """Counts tokens: a prompt has one in two characters, an answer a fixed number."""

    def __init__(self, *, answer=20, **rest):
        super().__init__(**rest)
        self.answer = answer
        self.in_prompt = lambda request: sum(len(m.content) for m in request.messages) // 2

    def _answer(self, batch):
        for request in batch:
            yield (
                request.key,
                Reply(
                    text=self.text(request),
                    model=self.model,
                    prompt_tokens=self.in_prompt(request),
                    completion_tokens=self.answer,
                ),
            )


class Flaky(Echo):
    """Fails the first `bad` calls of every third request on the way."""

    def __init__(self, *, bad, **rest):
        super().__init__(**rest)
        self.bad, self.calls = bad, {}

    def _answer(self, batch):
        for key, reply in super()._answer(batch):
            request = next(r for r in batch if r.key == key)
            number = self.calls[key] = self.calls.get(key, 0) + 1
            if int(request.messages[-1].content) % 3 == 0 and number <= self.bad:
                reply = Reply(text="", model=self.model, finish="error", error=f"500 no. {number}")
            yield key, reply


# -- shape -------------------------------------------------------------------------------------------------------------


def test_a_wrapper_is_an_engine_and_asks_the_inner_one_for_what_it_lacks():
    inner = Echo()
    inner.notices = ["a notice"]
    stacked = Retry(RateLimit(Budget(inner, Purse())))
    assert (stacked.name, stacked.model, stacked.notices) == ("echo", "echo@1", ["a notice"])
    with pytest.raises(AttributeError):
        stacked.nothing  # noqa: B018


@pytest.mark.parametrize("wrap", [Wrapper, Retry, RateLimit, lambda e: Budget(e, Purse(usd=9.0, tokens=10**9))])
def test_all_answers_pass_through_a_wrapper_that_has_nothing_to_do(wrap):
    asked = requests(50)
    got = dict(wrap(Echo()).generate(iter(asked)))
    assert {key: reply.text for key, reply in got.items()} == {r.key: r.messages[-1].content for r in asked}


@pytest.mark.parametrize("wrap", [Retry, RateLimit, lambda e: Budget(e, Purse(tokens=10**9))])
def test_requests_are_taken_as_slowly_as_the_inner_engine_takes_them(wrap):
    taken = []

    def source():
        for request in requests(40):
            taken.append(request)
            yield request

    replies = wrap(Echo(in_flight=4)).generate(source())
    next(replies)
    assert len(taken) <= 5


# -- retry -------------------------------------------------------------------------------------------------------------


@given(bad=st.integers(0, 5), in_flight=st.integers(1, 7), n=st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_retry_gives_each_request_one_reply_and_names_what_failed_before(bad, in_flight, n):
    inner, tries = Flaky(bad=bad, in_flight=in_flight), 4
    asked = requests(n)
    replies = list(Retry(inner, tries=tries, sleep=lambda _: None).generate(asked))
    assert sorted(key for key, _ in replies) == sorted(r.key for r in asked)
    by_key = {r.key: int(r.messages[-1].content) for r in asked}
    for key, reply in replies:
        hit = by_key[key] % 3 == 0
        failed = min(bad, tries) if hit else 0
        assert (reply.finish == "error") == (hit and bad >= tries)
        assert reply.faults == tuple(f"500 no. {i + 1}" for i in range(min(failed, tries - 1)))
    assert all(request.attempt == 0 for request in inner.asked)


def test_retry_waits_longer_while_nothing_succeeds():
    waits = []
    inner = Flaky(bad=9, in_flight=1)
    list(Retry(inner, tries=4, wait=1.0, sleep=waits.append).generate(requests(1)))
    assert sum(waits) <= 30 and waits == sorted(waits)


# -- pace --------------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@given(rate=st.integers(6, 600), n=st.integers(1, 80))
@settings(deadline=None, max_examples=40)
def test_no_window_holds_more_requests_than_the_rate_and_ten_seconds_worth(rate, n):
    clock = Clock()
    times = []
    inner = Metered(in_flight=1)
    limited = RateLimit(inner, requests_per_minute=rate, clock=clock, sleep=clock.sleep)

    for _ in limited.generate(iter(requests(n))):
        times.append(clock.now)
    burst = max(rate / 6, 1)
    for i, begin in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= burst + (times[j] - begin) * rate / 60 + 1 + 1e-6
    assert clock.now <= n * 60 / rate + 1  # and not much slower than it may


def test_tokens_are_limited_by_what_replies_report_and_not_by_the_guess():
    clock = Clock()
    inner = Metered(answer=980, in_flight=1)  # 20 characters in the prompt and a digit or two: about 10 tokens
    limited = RateLimit(inner, tokens_per_minute=60_000, clock=clock, sleep=clock.sleep)
    asked = requests(120, max_tokens=50)
    list(limited.generate(asked))
    used = sum(980 + inner.in_prompt(r) for r in asked)
    # Ten seconds' worth at once, and the last answers are paid for later.
    assert clock.now == pytest.approx(used / 1000 - 10, abs=2.5)


# -- budget ------------------------------------------------------------------------------------------------------------


@given(tokens=st.integers(0, 8000), answer=st.integers(1, 50), in_flight=st.integers(1, 16), n=st.integers(1, 60))
@settings(deadline=None, max_examples=80)
def test_a_budget_is_never_passed_and_hardly_left_unused(tokens, answer, in_flight, n):
    inner, purse = Metered(answer=answer, in_flight=in_flight), Purse(tokens=tokens)
    asked = requests(n)
    replies = []
    try:
        for pair in Budget(inner, purse).generate(asked):
            replies.append(pair)
        finished = True
    except IncompleteError:
        finished = False
    paid = sum(reply.prompt_tokens + reply.completion_tokens for _, reply in replies)
    assert paid == purse.spent_tokens <= tokens and purse.reserved_tokens == 0
    assert len(replies) == len(inner.asked)  # what was sent was finished and handed on
    assert finished == (len(replies) == n)
    if replies and not finished:
        worst = round(22 * 0.5 * 1.05) + 1 + 50
        assert tokens - paid < worst + 1  # stopped only because the next call might not have fitted


def test_dollars_count_prompt_and_answer_at_their_own_price():
    price = Price(prompt=2.0, completion=10.0)
    purse = Purse(usd=1.0)
    asked = requests(3, words=10)
    list(Budget(Metered(answer=20), purse, price).generate(asked))
    # 21 characters of prompt are 10 tokens: 3 calls x (10 x 2 + 20 x 10) / 1e6
    assert purse.spent_usd == pytest.approx(3 * (10 * 2 + 20 * 10) / 1e6)


def test_one_purse_serves_several_engines():
    purse = Purse(tokens=700)
    one, two = Budget(Metered(), purse), Budget(Metered(), purse)
    list(one.generate(requests(10)))
    with pytest.raises(IncompleteError, match="of 700 tokens"):
        list(two.generate(requests(30, start=100)))
    assert 600 < purse.spent_tokens <= 700


def test_what_earlier_runs_paid_counts_and_a_larger_budget_goes_on():
    asked = requests(30)
    purse, got = Purse(tokens=500, spent_tokens=100), []
    with pytest.raises(IncompleteError) as caught:
        for pair in Budget(Metered(), purse).generate(asked):
            got.append(pair)
    assert "larger budget" in caught.value.hint and 0 < len(got) < 30
    more = Purse(tokens=5000, spent_tokens=purse.spent_tokens)
    rest = asked[len(got) :]
    assert len(list(Budget(Metered(), more).generate(rest))) == len(rest)


def test_a_stalled_call_counts_twice_and_a_server_that_does_not_count_is_not_free():
    class Stalls(Echo):
        def _answer(self, batch):
            for request in batch:
                yield (
                    request.key,
                    Reply(text="abcd", model="m", prompt_tokens=10, completion_tokens=5, faults=("stalled",)),
                )

    purse = Purse(tokens=10**6)
    list(Budget(Stalls(), purse).generate(requests(1)))
    assert purse.spent_tokens == 30

    class Mute(Echo):
        def _answer(self, batch):
            for request in batch:
                yield request.key, Reply(text="abcd", model="m")

    purse = Purse(tokens=10**6)
    list(Budget(Mute(), purse).generate(requests(1)))
    assert purse.spent_tokens >= 21 + 4


# -- cache -------------------------------------------------------------------------------------------------------------


def test_a_second_study_pays_for_nothing_that_the_first_asked(tmp_path):
    first, second = Metered(), Metered()
    cache = Cache(first, tmp_path / "shared" / "cache.sqlite")
    before = dict(cache.generate(requests(600)))
    cache.close()
    again = Cache(second, tmp_path / "shared" / "cache.sqlite")
    after = dict(again.generate(requests(700)))
    again.close()
    assert len(second.asked) == 100
    for key, reply in before.items():
        assert after[key].text == reply.text and after[key].prompt_tokens == reply.prompt_tokens
        assert after[key].faults == ("cached",) and reply.faults == ()


@given(known=st.sets(st.integers(0, 40)), n=st.integers(0, 40), in_flight=st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_whatever_the_file_holds_each_request_is_answered_once(tmp_path_factory, known, n, in_flight):
    path = tmp_path_factory.mktemp("cache") / "c.sqlite"
    asked = requests(n)
    cache = Cache(Echo(in_flight=in_flight), path)
    list(cache.generate([r for i, r in enumerate(asked) if i in known]))
    cache.inner = inner = Echo(in_flight=in_flight)
    got = list(cache.generate(asked))
    cache.close()
    assert sorted(key for key, _ in got) == sorted(r.key for r in asked)
    assert {r.key for r in inner.asked} == {r.key for i, r in enumerate(asked) if i not in known}


def test_another_attempt_is_another_reply_and_failures_are_not_kept(tmp_path):
    path = tmp_path / "c.sqlite"
    for finish in ("error", "length"):
        cache = Cache(Echo(finish=finish), path)
        list(cache.generate(requests(3)))
        cache.close()
    inner = Echo()
    cache = Cache(inner, path)
    list(cache.generate(requests(3)))
    list(cache.generate(requests(3, attempt=1)))
    list(cache.generate(requests(3)))
    cache.close()
    assert [r.attempt for r in inner.asked] == [0, 0, 0, 1, 1, 1]


def test_many_hits_in_a_row_do_not_pile_up(tmp_path):
    cache = Cache(Echo(), tmp_path / "c.sqlite")
    list(cache.generate(requests(1500)))
    taken = []

    def source():
        for request in [*requests(1, start=5000), *requests(1500)]:
            taken.append(request)
            yield request

    replies = cache.generate(source())
    next(replies)
    assert len(taken) <= 300
    assert len(list(replies)) == 1500
    cache.close()


def test_a_file_that_is_no_cache_is_said(tmp_path):
    (tmp_path / "c.sqlite").write_text("not a database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(DataError, match=r"c\.sqlite cannot be used") as caught:
        Cache(Echo(), tmp_path / "c.sqlite")
    assert "--cache" in caught.value.hint


# -- together ----------------------------------------------------------------------------------------------------------


def test_stacked_under_the_ask_loop_everything_is_answered_once(tmp_path):
    journal = Journal(tmp_path / "calls.sqlite")
    inner = Flaky(bad=2, in_flight=8)
    cache = Cache(
        Budget(RateLimit(Retry(inner, sleep=lambda _: None), requests_per_minute=10**7), Purse(tokens=10**9)),
        tmp_path / "cache.sqlite",
    )
    asked = requests(60)
    results = list(ask(journal, cache, asked, lambda _, reply: int(reply.text), stage="test"))
    assert sorted(value for _, value in results) == list(range(60))
    journal.close()
    cache.close()


def test_a_prompt_is_estimated_by_its_characters():
    # 8 + 8 tokens for two messages, (40 + 4) characters / 4
    assert prompt_estimate(requests(1, start=1000, words=20)[0]) == 16 + 11
