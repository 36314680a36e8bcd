"""Engines that make questions by script; run as a program, one that can be killed."""

import json
import random
import sys
import time

from cityfolk.types import Reply

VERBS = "weigh drop defend enjoy plan avoid share hide repeat forget refuse trust blame praise".split()
THINGS = "choices habits rules doubts plans limits hopes fears debts wishes mistakes promises".split()
SCENES = "at dawn|in public|under pressure|far from home|by yourself|among strangers|after a fight|on a bad day".split(
    "|"
)


def question(rng):
    """Return one of a great many questions, few of them near copies of one another."""
    one, two, three = rng.sample(VERBS, 3)
    first, second = rng.sample(THINGS, 2)
    return f"How {one} {first} {rng.choice(SCENES)}, yet {two} old {second} or {three} {rng.choice(THINGS)}?"


class Scripted:
    """Answers each request by `questions`, in the order asked."""

    name, model = "scripted", "scripted@1"

    def __init__(self):
        self.calls = []

    def questions(self, request):
        raise NotImplementedError

    def reply(self, request):
        self.calls.append(request)
        return Reply(text=json.dumps({"questions": self.questions(request)}), model=self.model, completion_tokens=150)

    def generate(self, requests):
        for request in requests:
            yield request.key, self.reply(request)


class Parrot(Scripted):
    """Says the same ten questions whatever is asked."""

    def questions(self, request):
        return [question(random.Random(number)) for number in range(10)]


class Knows(Scripted):
    """Draws ten of a fixed list for each request."""

    def __init__(self, known):
        super().__init__()
        self.known = known

    def questions(self, request):
        return random.Random(request.seed).choices(self.known, k=10)


class Lively(Scripted):
    """Makes up questions; some copies, near copies, closed and unmarked ones among them."""

    def questions(self, request):
        rng = random.Random(request.seed)
        common = random.Random(5)
        shared = [question(common) for _ in range(60)]
        said = [question(rng) for _ in range(7)]
        said.append(f" 3. {rng.choice(shared).upper()}")
        said.append(rng.choice(shared).replace("?", " then?"))
        said.append(rng.choice(["Do you like it as it is now?", "Say what you think of it", "Why not?"]))
        return said


class Shuffled(Lively):
    """Answers in no order, `batch` requests at a time."""

    def __init__(self, seed, batch=16):
        super().__init__()
        self.rng, self.batch = random.Random(seed), batch

    def generate(self, requests):
        held = []
        for request in requests:
            held.append(request)
            if len(held) >= self.batch:
                yield self._one(held)
        while held:
            yield self._one(held)

    def _one(self, held):
        request = held.pop(self.rng.randrange(len(held)))
        return request.key, self.reply(request)


class Slow(Shuffled):
    """Takes a few milliseconds for each answer, and another order each time."""

    def __init__(self):
        super().__init__(time.time_ns())

    def reply(self, request):
        time.sleep(0.004)
        return super().reply(request)


def main(folder, n):
    """Make questions in a folder; killed by whoever wants to."""
    from cityfolk.stages import questions
    from cityfolk.study.folder import Study

    questions.load_engines = lambda specs, limits=None: [Slow()]
    with Study.open(folder, create=True) as study:
        questions.ask_for_questions(study, questions.QuestionOptions(n=n, topics=6, engine="scripted"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
