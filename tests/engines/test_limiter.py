"""The limiter against simulated servers, and the stall watch against numbers: no sockets, no clock."""

import heapq
import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityfolk.engines.limiter import CAP, Limiter
from cityfolk.engines.stall import StallWatch


def simulate(limiter, *, calls, delay, slots, refuses=False, quota=None, noise=0.0, seed=1, tail=False):
    """Send `calls` through a server with so many slots; return one (time, limit, good) an outcome.

    Beyond its slots a server makes calls wait their turn, or refuses them at once. `quota` is (n, seconds): so many
    answers a window, refusals until the next one begins. `tail`: a few calls take far longer than the others.
    """
    draw = random.Random(seed)
    now, sent, in_flight, busy, number = 0.0, 0, 0, 0, 0
    queue, events, outcomes = deque(), [], []
    again, used, window, began = [], 0, 0.0, {}

    def finish_at():
        if tail:
            return now + draw.expovariate(1 / delay)
        return now + delay * (1 + noise * (2 * draw.random() - 1))

    while len([o for o in outcomes if o[2]]) < calls:
        while in_flight < limiter.limit and limiter.opens_in(now) == 0 and (again or sent < calls):
            if again and again[0] <= now:
                heapq.heappop(again)
            elif sent < calls and len(again) < limiter.limit:
                sent += 1
            else:
                break
            in_flight, number = in_flight + 1, number + 1
            limiter.started(now, in_flight)
            began[number] = now
            if quota and now - window >= quota[1]:
                window, used = now - (now - window) % quota[1], 0
            if (refuses and busy >= slots) or (quota and used >= quota[0]):
                left = window + quota[1] - now if quota else 1.0
                heapq.heappush(events, (now + delay / 10, number, left))
                continue
            used += 1
            if busy < slots:
                busy += 1
                heapq.heappush(events, (finish_at(), number, "good"))
            else:
                queue.append(number)
        pauses = [t for t in (*again[:1], limiter.closed_until) if t > now]
        if not events or (pauses and min(pauses) < events[0][0] and in_flight < limiter.limit):
            now = min(pauses)
            continue
        now, landed, kind = heapq.heappop(events)
        in_flight -= 1
        if kind == "good":
            limiter.succeeded(now, now - began.pop(landed))
            busy -= 1
            if queue:
                busy += 1
                heapq.heappush(events, (finish_at(), queue.popleft(), "good"))
        else:
            limiter.refused(now, kind)
            heapq.heappush(again, now + kind)
        outcomes.append((now, limiter.limit, kind == "good"))
    return outcomes


def throughput(outcomes):
    good = [time for time, _, good in outcomes if good]
    return (len(good) - 1) / (good[-1] - good[0])


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("delay", [0.05, 2.0, 20.0])
def test_it_reaches_the_cap_where_a_server_takes_everything(delay, noise):
    outcomes = simulate(Limiter(), calls=3000, delay=delay, slots=10_000, noise=noise)
    assert max(limit for _, limit, _ in outcomes[:1000]) == CAP
    late = outcomes[1500:2700]
    assert throughput(late) > 0.8 * CAP / delay


def test_where_calls_take_no_longer_it_does_not_wait_to_measure():
    outcomes = simulate(Limiter(), calls=1000, delay=1.0, slots=10_000)
    limits = [limit for _, limit, _ in outcomes]
    # 32 calls; the first half of the next 64; after the other half, the first half of the next 128.
    assert [limits.index(limit) + 1 for limit in (64, 128, 256)] == [32, 32 + 32, 32 + 64 + 64]


@pytest.mark.parametrize("slots", [40, 10_000])
def test_short_calls_that_come_first_do_not_mislead_it(slots):
    outcomes = simulate(Limiter(), calls=6000, delay=1.0, slots=slots, tail=True)
    late = outcomes[2000:5500]
    assert throughput(late) > 0.9 * min(slots, CAP)
    assert sorted(limit for _, limit, _ in late)[len(late) // 2] <= 3 * slots


@pytest.mark.parametrize("slots", [1, 4, 16, 40, 100])
def test_it_stops_growing_where_throughput_does(slots):
    outcomes = simulate(Limiter(), calls=6000, delay=1.0, slots=slots, noise=0.3)
    late = outcomes[2000:5500]
    assert throughput(late) > 0.93 * slots
    limits = sorted(limit for _, limit, _ in late)
    assert limits[len(limits) // 2] <= max(32, 3 * slots)


@pytest.mark.parametrize("slots", [5, 20, 60, 150])
def test_refusals_shrink_it_to_what_the_server_takes(slots):
    outcomes = simulate(Limiter(), calls=6000, delay=1.0, slots=slots, refuses=True, noise=0.3)
    late = outcomes[len(outcomes) // 3 :]
    assert throughput(late) > 0.7 * slots
    assert sum(not good for _, _, good in late) < 0.25 * len(late)


def test_a_quota_is_waited_for_instead_of_hammered():
    outcomes = simulate(Limiter(), calls=3000, delay=0.2, slots=1000, quota=(100, 1.0))
    assert throughput(outcomes) > 60
    assert sum(not good for _, _, good in outcomes) < 0.6 * 3000


def test_a_few_refusals_by_chance_do_not_stop_everybody():
    limiter, draw = Limiter(), random.Random(0)
    for number in range(4000):
        now = number * 0.001
        limiter.started(now, limiter.limit)
        if draw.random() < 0.05:
            limiter.refused(now, 1.0)
        else:
            limiter.succeeded(now)
        assert limiter.opens_in(now) == 0
    assert limiter.limit >= 32


def test_when_all_are_refused_all_wait_as_long_as_asked():
    limiter = Limiter()
    for number in range(20):
        limiter.started(10.0, number + 1)
    for _ in range(20):
        limiter.refused(10.0, 7.0)
    assert limiter.opens_in(10.0) == pytest.approx(7.0) and limiter.opens_in(17.1) == 0
    assert limiter.limit == 16  # halved once, not twenty times


@given(
    cap=st.integers(1, 300),
    told=st.lists(st.tuples(st.sampled_from(["good", "refused"]), st.floats(0, 2), st.booleans()), max_size=400),
)
def test_the_limit_stays_between_one_and_the_cap(cap, told):
    limiter, now = Limiter(cap), 0.0
    for kind, passed, full in told:
        now += passed
        limiter.started(now, limiter.limit if full else 1)
        if kind == "good":
            limiter.succeeded(now)
        else:
            limiter.refused(now, passed)
        assert 1 <= limiter.limit <= cap


def test_a_call_has_stalled_at_ten_times_the_95th_percentile():
    watch = StallWatch(floor=0.001, start=600)
    assert watch.limit("profile") == 600
    for hundredth in range(1, 101):
        watch.finished("profile", hundredth / 100)
    assert watch.limit("profile") == pytest.approx(9.5, abs=0.11)  # 95th of .01, .02 ... 1.00 is .95
    assert watch.limit("choice") == 600  # another kind of call knows nothing of profiles
    assert watch.limit("profile", stalls=2) == pytest.approx(4 * watch.limit("profile"))


def test_short_calls_have_a_floor():
    watch = StallWatch(floor=5.0)
    for _ in range(40):
        watch.finished("choice", 0.01)
    assert watch.limit("choice") == 5.0


def test_the_percentile_runs():
    watch = StallWatch(floor=0.001)
    for seconds in [0.1] * 400 + [3.0] * 400:
        watch.finished("profile", seconds)
    assert watch.limit("profile") == pytest.approx(30.0)
