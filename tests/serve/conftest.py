"""The endpoint as its users have it: a process of its own, started by its command."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest


class Served:
    """`cityfolk serve-model` in a process; `url` is its address."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "cityfolk", "serve-model", "--port", "0", *arguments]
        # One core for the server: it shares the machine with the tests beside it.
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
        self.first = self.process.stderr.readline()
        found = re.search(r"at (http://\S+)", self.first)
        assert found, self.first + self.process.stderr.read()
        self.url = found[1]
        self.rest = []
        self._reader = threading.Thread(target=lambda: self.rest.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def interrupt(self):
        """Press Ctrl-C; return (exit code, what it said)."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        self._reader.join(5)
        return code, "".join(self.rest)


@pytest.fixture(scope="session")
def served():
    server = Served()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture(scope="session")
def client(served):
    from openai import OpenAI

    with OpenAI(base_url=served.url, api_key="anything", max_retries=0) as client:
        yield client
