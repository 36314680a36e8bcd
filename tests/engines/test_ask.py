from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityfolk.engines.ask import Progress, ask
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
    assert "without an answer" in results[2].reason and results[2].attempts == 3


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
