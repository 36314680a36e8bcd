"""Engines written for tests: they answer at once, or misbehave in one exact way."""

from cityfolk.types import Reply


class Echo:
    """Answers each request with its last message; counts what it was asked."""

    name = "echo"
    model = "echo@1"

    def __init__(self, *, in_flight=4, finish="stop"):
        self.asked = []
        self.in_flight = in_flight
        self.finish = finish

    def text(self, request):
        return request.messages[-1].content

    def generate(self, requests):
        batch = []
        for request in requests:
            self.asked.append(request)
            batch.append(request)
            if len(batch) == self.in_flight:
                yield from self._answer(batch)
                batch = []
        yield from self._answer(batch)

    def _answer(self, batch):
        # Last first: nobody may rely on the order.
        for request in reversed(batch):
            yield request.key, Reply(text=self.text(request), model=self.model, finish=self.finish, completion_tokens=3)


class BadFirst(Echo):
    """Answers nonsense on the first `bad` attempts of every `every`-th request."""

    def __init__(self, *, bad, every=1, **rest):
        super().__init__(**rest)
        self.bad = bad
        self.every = every

    def text(self, request):
        number = int(request.messages[-1].content)
        return "nonsense" if number % self.every == 0 and request.attempt < self.bad else str(number)


class Dead(Echo):
    """Fails every call."""

    def _answer(self, batch):
        for request in batch:
            yield request.key, Reply(text="", model=self.model, finish="error", error="connection refused")


class Dies(Echo):
    """Raises after a number of answers, as a bug or a Ctrl-C would."""

    def __init__(self, *, after, error=RuntimeError, **rest):
        super().__init__(**rest)
        self.after = after
        self.error = error

    def spend(self):
        if self.after == 0:
            raise self.error("the power went off")
        self.after -= 1

    def _answer(self, batch):
        for pair in super()._answer(batch):
            self.spend()
            yield pair
