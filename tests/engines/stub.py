"""The stub server of tests/stub_server.py as a real process, for tests that talk to it over a socket."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from cityfolk.profiles.schema import ProfileText, json_schema
from cityfolk.types import Message, Request, Sampling

SCRIPT = Path(__file__).parents[1] / "stub_server.py"
SCHEMA = json_schema(ProfileText)
CLEAN = {
    **dict.fromkeys(("p500", "p429", "pcut", "pempty", "perror200", "phang", "pdrop"), 0),
    **{"delay": 0.05, "jitter": 0, "retry_after": 1, "seed": 0, "slots": 0, "serves": 0, "fail_after": -1},
    **{"schema": "json_schema", "logprobs": 1, "key": "", "think": "", "model": "", "context": 0, "tokens": 1000},
}


class StubServer:
    """One server process; `kill` and `start` may follow each other, on the same port."""

    def __init__(self):
        self.port = 0
        self.start()

    def start(self, **settings):
        words = [f"{name}={value}" for name, value in settings.items()]
        command = [sys.executable, str(SCRIPT), "--port", str(self.port), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def _get(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def reset(self, **settings):
        """Zero the counters; what is not named is as in a server that behaves."""
        self._get(f"/reset?{urlencode(CLEAN | settings)}", "POST")
        return self

    def stats(self):
        return self._get("/stats")

    def last(self):
        return self._get("/last")


def asked(n, *, schema=SCHEMA, choices=(), model="stub", first=0, **sampling):
    """Return n requests that differ in their last message, which is "citizen NUMBER"."""
    knobs = Sampling(**({"max_tokens": 2048} | sampling))
    system = Message(role="system", content="You write the life of one resident of a city. " * 8)
    return [
        Request(
            messages=(system, Message(role="user", content=f"citizen {i}")),
            model=model,
            schema=None if choices else schema,
            choices=choices,
            sampling=knobs,
            label=f"person {i}",
        )
        for i in range(first, first + n)
    ]
