"""The servers that share one job: which one takes the next call, which is down, how each wants to be spoken to. No I/O.

A server that cannot be reached is set aside and tried again with a single call, after pauses that double.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cityfolk.engines.transport import is_vague
from cityfolk.engines.wire import SCHEMA_MODES, Dialect, SchemaMode

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
_INVALID_ENOUGH = 3  # replies that are no answer to their schema, and none that is, before another way is tried
_FAILED_ENOUGH = 4  # the same for server errors: llama-cpp-python answers json_schema with a 500
_VAIN_ENOUGH = 3  # prompts that a server refuses in every way, until a refusal is believed
_OPTIONAL = ("response_format", "seed", "top_p", "temperature", "reasoning_effort", "chat_template_kwargs")


@dataclass(slots=True, eq=False)
class Server:
    """One base URL, and what has been learned of it."""

    url: str
    dialect: Dialect
    in_flight: int = 0
    answered: int = 0
    down_until: float | None = None
    pauses: int = 0
    probing: bool = False
    confirmed: bool = False  # its way of asking for JSON has brought an answer
    invalid: int = 0
    failed: int = 0
    vain: int = 0

    def is_trial(self, sent_as: Dialect) -> bool:
        """Say whether a request was put more plainly than this server is asked: to see whether it takes it so."""
        return SCHEMA_MODES.index(sent_as.schema_mode) > SCHEMA_MODES.index(self.dialect.schema_mode)

    def is_up(self) -> bool:
        """Say whether calls may be sent without trying first."""
        return self.down_until is None

    def reached(self) -> None:
        """Say that it answered something, whatever it was."""
        self.down_until, self.pauses, self.probing = None, 0, False

    def unreachable(self, now: float) -> None:
        """Set it aside for a while."""
        if self.down_until is None or now >= self.down_until:
            self.down_until = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self.pauses)
            self.pauses += 1
        self.probing = False


class Servers:
    """All servers of a job. `note` is told, once each, what the user should know."""

    def __init__(self, urls: tuple[str, ...], dialect: Dialect, note: Callable[[str], None]) -> None:
        self.all = [Server(url, dialect) for url in urls]
        self.note = note
        self.dead_since: float | None = None

    def pick(self, now: float) -> Server | None:
        """Return the least loaded server that is up, or one that is due to be tried again; None if there is none."""
        up = [server for server in self.all if server.is_up()]
        due = [s for s in self.all if s.down_until is not None and now >= s.down_until and not s.probing]
        if due:
            due[0].probing = True
            return due[0]
        return min(up, key=lambda server: server.in_flight) if up else None

    def due_in(self, now: float) -> float:
        """Return the seconds until the next server may be tried again."""
        times = [s.down_until - now for s in self.all if s.down_until is not None and not s.probing]
        return max(0.01, min(times, default=0.5))

    def unreachable(self, server: Server, now: float) -> None:
        """Note that a server could not be reached."""
        server.unreachable(now)
        if not any(one.is_up() for one in self.all):
            self.dead_since = now if self.dead_since is None else self.dead_since
        elif len(self.all) > 1:
            self.note(f"{server.url} cannot be reached; the other addresses do its work")

    def reached(self, server: Server) -> None:
        """Note that a server answered."""
        server.reached()
        self.dead_since = None

    # -- how they are spoken to ---------------------------------------------------------------------------------------

    @property
    def schema_mode(self) -> SchemaMode:
        """Return the plainest way of asking for JSON that any server needs."""
        return max((server.dialect.schema_mode for server in self.all), key=SCHEMA_MODES.index)

    def judge_json(self, server: Server, sent_as: Dialect, fits: bool) -> bool:
        """Take in whether a reply fitted its schema; return whether to ask again because the server ignores schemas.

        Once one reply has fitted, the server is known to take schemas in this way, and misfits are the model's.
        """
        mode = server.dialect.schema_mode
        if sent_as.schema_mode != mode:
            return not fits
        if fits:
            server.confirmed = True
        if fits or server.confirmed:
            return False
        server.invalid += 1
        if server.invalid >= _INVALID_ENOUGH:
            return self._step_down(server, "ignores")
        return True

    def json_failed(self, server: Server, sent_as: Dialect, *, refused: bool) -> bool:
        """Take in an error that a request for JSON met; return whether the way of asking is another now."""
        if sent_as.schema_mode != server.dialect.schema_mode:
            return True
        if server.confirmed:
            return False
        server.failed += 1
        enough = refused or (server.failed >= _FAILED_ENOUGH and server.answered == 0)
        return enough and self._step_down(server, "refuses")

    def otherwise(self, server: Server, sent_as: Dialect, said: str) -> Dialect | None:
        """Return how to put a refused request for JSON this once, where the refusal does not say what was wrong.

        Whether it was the way of asking shows when the same prompt is taken in a plainer way (`took`).
        """
        if not server.is_trial(sent_as):
            if sent_as.schema_mode != server.dialect.schema_mode or not is_vague(said):
                return None
            if server.confirmed or server.vain >= _VAIN_ENOUGH:
                return None
        place = SCHEMA_MODES.index(sent_as.schema_mode) + 1
        if place == len(SCHEMA_MODES):
            server.vain += 1
            return None
        return replace(server.dialect, schema_mode=SCHEMA_MODES[place])

    def took(self, server: Server, sent_as: Dialect) -> None:
        """Take in that a server answered; one that took a plainer request is asked in that way from now on."""
        if server.is_trial(sent_as) and not server.confirmed:
            self._ask_plainly(server, sent_as.schema_mode, "refuses, without saying so,")

    def _step_down(self, server: Server, verb: str) -> bool:
        place = SCHEMA_MODES.index(server.dialect.schema_mode) + 1
        if place == len(SCHEMA_MODES):
            return False
        self._ask_plainly(server, SCHEMA_MODES[place], verb)
        return True

    def _ask_plainly(self, server: Server, mode: SchemaMode, verb: str) -> None:
        before = server.dialect.schema_mode
        server.dialect = replace(server.dialect, schema_mode=mode)
        server.invalid = server.failed = 0
        plain = "the schema in the prompt alone"
        instead = plain if mode == "prompt" else "JSON mode with the schema in the prompt"
        self.note(f"{server.url} {verb} response_format {before}: {instead} is used; every reply is validated here")

    def without_logprobs(self, server: Server, unclear: tuple[str, ...] | None = None) -> None:
        """Ask a server for choices as text from now on; only for one set of choices if that alone is `unclear`."""
        if unclear is None:
            server.dialect = replace(server.dialect, logprobs=False)
            self.note(f"{server.url} gives no log-probabilities: choices are read from the text it answers")
        else:
            server.dialect = replace(server.dialect, unclear=server.dialect.unclear | {unclear})
            few = ", ".join(map(repr, unclear[:3]))
            self.note(f"the first token does not tell {few} ... apart: such choices are read from the text")

    def adapt(self, server: Server, sent_as: Dialect, complaint: str, *, choices: bool) -> bool:
        """Change how a server is spoken to after it refused a request; return whether that may help."""
        said = complaint.casefold()
        dialect = server.dialect
        if sent_as is not dialect and sent_as != dialect:
            return True  # it was changed while the call was under way
        if choices and dialect.logprobs and "logprobs" in said:
            self.without_logprobs(server)
            return True
        if "max_tokens" in said and "max_completion_tokens" in said and not dialect.renamed:
            server.dialect = replace(dialect, renamed=(("max_tokens", "max_completion_tokens"),))
            return True
        for name in _OPTIONAL:
            if name in said and name not in dialect.unsent and name != "response_format":
                server.dialect = replace(dialect, unsent=dialect.unsent | {name})
                self.note(f"{server.url} refuses the parameter {name}: it is no longer sent ({complaint})")
                return True
        return False
