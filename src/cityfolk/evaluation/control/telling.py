"""Findings `control.*`, written in one way."""

from __future__ import annotations

from cityfolk.evaluation.telling import Teller

told = Teller("control", "answers")
