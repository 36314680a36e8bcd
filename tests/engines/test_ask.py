import threading
import time
import tracemalloc
from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.engines.ask import Progress, ask
from cityfolk.engines.mailbox import Mailbox
from cityfolk.errors import EngineError, IncompleteError, StudyError
from cityfolk.study.journal import Journal
from cityfolk.types import Failure, Message, Request, Sampling
from tests.fakes import BadFirst, Dead, Dies, Echo


def numbered(numbers, **sampling):
    return [
        Request(
            messages=(Message(role="system", content="g" * 300), Message(role="user", content=str(n))),
            model="echo@1",
            sampling=Sampling(**sampling),
            label=f"n/{n}",
        )
        for n in numbers
    ]


def as_number(request, reply):
    if not reply.text.isdigit():
        raise ValueError(f"{reply.text!r} is not a number")
    return int(reply.text)


def settle(journal, engine, numbers, **options):
    return dict_of(ask(journal, engine, numbered(numbers), as_number, stage="s", **options))


def dict_of(results):
    return {int(request.messages[-1].content): result for request, result in results}


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "calls.sqlite")
    yield journal
    journal.close()


def test_every_request_is_answered_once_and_kept(journal):
    engine, progress = Echo(), Progress()
    assert settle(journal, engine, range(10), progress=progress) == {n: n for n in range(10)}
    assert (progress.calls, progress.settled, progress.served, progress.completion_tokens) == (10, 10, 0, 30)
    assert journal.summary()[0]["requests"] == 10


def test_what_the_journal_knows_is_not_asked_again(journal):
    settle(journal, Echo(), range(6))
    engine, progress = Echo(), Progress()
    assert settle(journal, engine, range(9), progress=progress) == {n: n for n in range(9)}
    assert sorted(int(r.messages[-1].content) for r in engine.asked) == [6, 7, 8]
    assert progress.served == 6


def test_identical_requests_are_asked_once(journal):
    engine = Echo(in_flight=2)
    results = list(ask(journal, engine, numbered([1, 2, 1, 1, 2, 3]), as_number, stage="s"))
    assert sorted(value for _, value in results) == [1, 1, 1, 2, 2, 3]
    assert len(engine.asked) == 3


def test_another_seed_is_another_request(journal):
    engine = Echo()
    list(ask(journal, engine, numbered([1]) + numbered([1], seed=1) + numbered([1], sample=1), as_number, stage="s"))
    assert len(engine.asked) == 3


def test_a_bad_reply_is_asked_again_with_another_seed(journal):
    engine = BadFirst(bad=2)
    assert settle(journal, engine, range(4), attempts=3) == {n: n for n in range(4)}
    first = [r for r in engine.asked if r.messages[-1].content == "1"]
    assert [r.attempt for r in first] == [0, 1, 2]
    assert len({r.key for r in first}) == 1 and len({r.seed for r in first}) == 3


def test_what_stays_bad_is_a_failure_with_its_raw_text(journal):
    results = settle(journal, BadFirst(bad=9, every=4), range(8), attempts=2)
    failed = {n: r for n, r in results.items() if isinstance(r, Failure)}
    assert set(failed) == {0, 4}
    assert failed[4].raw == "nonsense" and failed[4].attempts == 2 and failed[4].label == "n/4"
    assert "not a number" in failed[4].reason


def test_failures_stay_until_they_are_asked_for_again(journal):
    settle(journal, BadFirst(bad=2, every=4), range(8), attempts=2)
    engine = Echo()
    assert isinstance(settle(journal, engine, range(8), attempts=2)[4], Failure) and not engine.asked
    healed = BadFirst(bad=2, every=4)
    assert settle(journal, healed, range(8), attempts=2, again=True) == {n: n for n in range(8)}
    assert sorted(r.attempt for r in healed.asked) == [2, 2]


def test_a_cut_off_reply_is_not_accepted(journal):
    assert all(isinstance(r, Failure) for r in settle(journal, Echo(finish="length"), range(3), attempts=1).values())


def test_a_dead_engine_stops_the_job_without_a_row(journal):
    with pytest.raises(EngineError, match="connection refused"):
        settle(journal, Dead(), range(5))
    engine = Dead()
    with pytest.raises(EngineError):
        settle(journal, engine, range(5000))
    assert len(engine.asked) < 2000


def test_leftovers_that_are_always_refused_do_not_make_a_dead_engine(journal):
    settle(journal, Echo(), range(20))
    results = settle(journal, Dead(), range(21))
    assert results.pop(20).reason == "the call failed: connection refused"
    assert results == {n: n for n in range(20)}
    with pytest.raises(EngineError, match="failed every one of"):  # another model's replies say nothing of this one
        list(ask(journal, Dead(), [replace(r, model="m") for r in numbered(range(3))], as_number, stage="s"))


def test_the_hint_names_an_engine_that_can_be_loaded(journal):
    engine = Dead()
    for engine.name, engine.model, engine.urls, spec in (
        ("dead", "dead@1", (), "dead"),
        ("openai", "m?thinking=off", ("http://a/v1", "http://b/v1"), "openai:m@http://a/v1,http://b/v1?thinking=off"),
        ("ollama", "llama3.1:8b", (), "ollama:llama3.1:8b"),
    ):
        with pytest.raises(EngineError) as stopped:
            settle(journal, engine, range(5), again=True)
        assert stopped.value.hint == f"check it with `cityfolk doctor --engine '{spec}'`"


def test_one_call_that_fails_once_is_asked_again(journal):
    class Stumbles(Echo):
        def _answer(self, batch):
            for key, reply in super()._answer(batch):
                broken = len(self.asked) == 1
                yield key, replace(reply, finish="error", error="reset by peer") if broken else reply

    assert settle(journal, Stumbles(), [7]) == {7: 7}


def test_a_request_that_is_never_answered_is_asked_again_and_then_fails(journal):
    class Forgets(Echo):
        def _answer(self, batch):
            yield from (pair for pair in super()._answer(batch) if int(pair[1].text) % 2)

    results = settle(journal, Forgets(), range(6))
    assert {n for n, r in results.items() if isinstance(r, Failure)} == {0, 2, 4}
    assert "without an answer" in results[2].reason and results[2].attempts == 5


def test_an_answer_to_nothing_is_the_engines_bug(journal):
    class Babbles(Echo):
        def _answer(self, batch):
            for pair in super()._answer(batch):
                yield pair
                yield pair

    with pytest.raises(EngineError, match="not open"):
        settle(journal, Babbles(), range(3))


def test_a_second_engine_is_judged_by_its_own_calls(journal):
    progress = Progress()
    settle(journal, Echo(), range(5), progress=progress)
    with pytest.raises(EngineError):
        settle(journal, Dead(), range(10, 15), progress=progress)


def test_a_kept_reply_that_no_longer_passes_is_a_sentence(journal):
    settle(journal, Echo(), range(3))

    def stricter(request, reply):
        raise ValueError("numbers are too old-fashioned")

    with pytest.raises(StudyError, match="old-fashioned"):
        list(ask(journal, Echo(), numbered(range(3)), stricter, stage="s"))


def test_fewer_than_half_succeeding_stops_the_job(journal):
    engine = BadFirst(bad=99)
    with pytest.raises(IncompleteError, match="unusable"):
        settle(journal, engine, range(5000))
    assert len(engine.asked) < 2000


def test_an_engine_that_breaks_is_heard_and_loses_nothing(journal):
    with pytest.raises(RuntimeError, match="power"):
        settle(journal, Dies(after=5), range(12))
    engine = Echo()
    assert settle(journal, engine, range(12)) == {n: n for n in range(12)}
    assert len(engine.asked) == 7


def test_what_has_to_be_asked_again_goes_before_what_is_new(journal):
    class Slow(BadFirst):
        def _answer(self, batch):
            time.sleep(0.03 if batch else 0)  # so that each reply is judged before the next request is taken
            yield from super()._answer(batch)

    engine = Slow(bad=1, every=5, in_flight=1)
    settle(journal, engine, range(10))
    order = [(int(r.messages[-1].content), r.attempt) for r in engine.asked]
    assert (5, 1) in order and order.index((5, 1)) < order.index((9, 0))


def test_an_engine_in_process_never_waits_for_itself(journal):
    results = settle(journal, BadFirst(bad=4, in_flight=1), range(3))  # the last is bad when nothing new is left
    assert results == {n: n for n in range(3)}


def test_the_twin_of_a_request_that_failed_is_not_asked_afresh(journal):
    engine, seen = BadFirst(bad=9, in_flight=1), []

    def source():
        yield from numbered([1])
        while not seen:  # until the first has failed
            time.sleep(0.005)
        yield from numbered([1])

    for _, result in ask(journal, engine, source(), as_number, stage="s", attempts=1):
        seen.append(result)
    assert [type(result) for result in seen] == [Failure, Failure] and len(engine.asked) == 1


def test_an_engine_that_takes_nothing_is_its_own_bug(journal):
    class Asleep(Echo):
        def generate(self, requests):
            yield from ()

    with pytest.raises(EngineError, match="before it had taken"):
        settle(journal, Asleep(), range(3))


def test_an_engine_that_stops_early_is_called_again(journal):
    class Tires(Echo):
        def generate(self, requests):
            for _, request in zip(range(3), requests, strict=False):
                self.asked.append(request)
                yield from self._answer([request])

    engine = Tires()
    assert settle(journal, engine, range(9)) == {n: n for n in range(9)}


def test_a_caller_who_leaves_early_ends_the_engines_thread(journal):
    replies = ask(journal, Echo(), iter(numbered(range(5000))), as_number, stage="s")
    next(replies)
    replies.close()
    until = time.monotonic() + 5
    while any(thread.name == "ask-s" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_engine_waits_for_a_caller_who_is_slow(journal):
    engine = Echo()
    replies = ask(journal, engine, iter(numbered(range(6000))), as_number, stage="s")
    next(replies)
    time.sleep(0.5)
    taken = len(engine.asked)
    assert taken < 2500
    assert sum(1 for _ in replies) == 5999


def test_memory_does_not_hold_what_is_settled(tmp_path):
    def most(n):
        journal = Journal(tmp_path / f"{n}.sqlite")
        requests = (request for i in range(n) for request in numbered([i]))
        engine = Echo(in_flight=32)
        engine.asked = deque(maxlen=1)  # the fake's own memory
        tracemalloc.start()
        for _ in ask(journal, engine, requests, as_number, stage="s"):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        journal.close()
        return peak

    # Once the groups in flight are full, one request or two hundred thousand more leave nothing behind.
    few, many = most(6000), most(18000)
    assert (many - few) / 12000 < 100


def test_a_group_is_one_wake_up():
    box, groups = Mailbox(seconds=5.0, most=100), []

    def take():
        while not groups or groups[-1] != ["end"]:
            groups.append(box.take())

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(12):
        box.put(number, enough=4)
        time.sleep(0.01)
    box.put("end")
    taker.join()
    assert groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], ["end"]]


def test_a_lone_event_waits_no_longer_than_it_must():
    box = Mailbox(seconds=0.05, most=100)
    box.put("one", enough=10)
    began = time.monotonic()
    assert box.take() == ["one"] and 0.04 < time.monotonic() - began < 1.0


def test_a_full_box_makes_its_giver_wait_until_it_is_emptied_or_closed():
    box, given = Mailbox(seconds=0.0, most=3), []

    def give():
        for number in range(9):
            if not box.put(number):
                return
            given.append(number)

    giver = threading.Thread(target=give)
    giver.start()
    time.sleep(0.1)
    assert given == [0, 1, 2] == box.take()
    time.sleep(0.1)
    assert given == [0, 1, 2, 3, 4, 5]
    box.close()
    giver.join(5)
    assert not giver.is_alive()


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 40), after=st.integers(0, 40), in_flight=st.integers(1, 9), bad=st.integers(0, 2))
def test_resuming_equals_never_having_stopped(tmp_path_factory, size, after, in_flight, bad):
    class Both(BadFirst):
        dies = Dies(after=after)

        def _answer(self, batch):
            for pair in super()._answer(batch):
                self.dies.spend()
                yield pair

    journal = Journal(tmp_path_factory.mktemp("j") / "calls.sqlite")
    try:
        settle(journal, Both(bad=bad, every=3, in_flight=in_flight), range(size))
    except RuntimeError:
        pass
    engine = BadFirst(bad=bad, every=3, in_flight=in_flight)
    assert settle(journal, engine, range(size)) == {n: n for n in range(size)}
    journal.close()
