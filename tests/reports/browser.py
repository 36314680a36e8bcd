"""A real browser for a page: Chromium without a window, spoken to over its debugging protocol."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest

AXE = """axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => one.id + ": " + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")))"""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def found():
    """Return where Chromium lies (CHROMIUM names another), None if there is none."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


def needed():
    """Skip a test, and say so aloud, where there is no browser."""
    if found() is None:
        warnings.warn("no Chromium here: pages were NOT opened and axe was NOT run; set CHROMIUM", stacklevel=2)
        pytest.skip("no Chromium; set CHROMIUM to its path")


@contextlib.contextmanager
def started():
    """Start Chromium with a profile of its own; yield the address of its debugger."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--hide-scrollbars", "about:blank"]
        process = subprocess.Popen([found(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = Path(folder) / "DevToolsActivePort"
            deadline = time.monotonic() + 120
            while not (port.exists() and port.read_text().count("\n")):
                assert process.poll() is None and time.monotonic() < deadline, "Chromium did not start"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
        finally:
            process.terminate()
            process.wait(20)


class Tab:
    """One page of the browser; collects what it logs and what it asks the network for."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0
        self.logged, self.requested, self.answers, self.events = [], [], {}, []

    async def call(self, method, **params):
        self.number += 1
        mine = self.number
        await self.socket.send_json({"id": mine, "method": method, "params": params})
        while mine not in self.answers:
            self._take(json.loads((await self.socket.receive(timeout=600)).data))
        answer = self.answers.pop(mine)
        assert "error" not in answer, answer
        return answer["result"]

    def _take(self, message):
        if "id" in message:
            self.answers[message["id"]] = message
            return
        method, params = message["method"], message["params"]
        self.events.append(method)
        if method == "Runtime.exceptionThrown":
            self.logged.append(params["exceptionDetails"].get("text", "") + str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.logged.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.logged.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    async def open(self, path, width=1280, height=900):
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.size(width, height)
        await self.call("Page.navigate", url=Path(path).resolve().as_uri())
        while "Page.loadEventFired" not in self.events:
            self._take(json.loads((await self.socket.receive(timeout=600)).data))

    async def size(self, width, height=900):
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    async def run(self, script):
        """Return what a script gives, promises awaited."""
        given = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in given, given["exceptionDetails"]
        return given["result"].get("value")

    async def picture(self, path, box=None):
        clip = {"clip": {**box, "scale": 1}} if box else {}
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **clip)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


def visit(path, steps, width=1280):
    """Open a page and do `steps(tab)`; return what they return."""

    async def go(address):
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{address}/json/new?about:blank") as answer:
                target = await answer.json()
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=2**28) as socket:
                tab = Tab(socket)
                await tab.open(path, width)
                return await steps(tab)

    with started() as address:
        return asyncio.run(go(address))


def checked(path, first=None):
    """Open a page on a laptop and on a phone: no error, no request, no barrier, nothing wider than the screen.

    `first(tab)` is done before everything that folds is unfolded; returns what it returns.
    """

    async def steps(tab):
        seen = {"wide": await tab.run("document.documentElement.scrollWidth")}
        given = await first(tab) if first else None
        await tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        await tab.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        seen["barriers"] = await tab.run(AXE)
        await tab.size(390)
        seen["narrow"] = await tab.run("document.documentElement.scrollWidth")
        seen["barriers"] += await tab.run(AXE)
        return seen | {"logged": tab.logged, "requested": tab.requested, "given": given}

    seen = visit(path, steps)
    assert seen["barriers"] == [] and seen["logged"] == [], path
    assert seen["requested"] == [Path(path).resolve().as_uri()], path
    assert seen["wide"] <= 1280 and seen["narrow"] <= 390, (path, seen["wide"], seen["narrow"])
    return seen["given"]


async def turned(tab):
    """Turn the leaves once; return the number of the one shown before and after."""
    leaf = "[...document.querySelectorAll('.leaf')].findIndex((one) => getComputedStyle(one).display !== 'none')"
    before = await tab.run(leaf)
    await tab.run("document.querySelectorAll('.leaves .pager button')[1].click()")
    return before, await tab.run(leaf)
