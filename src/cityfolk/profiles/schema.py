"""What a model is asked to write: the profile, and the eight reflections that may come before it.

Only what no table knows is asked for. Facts (name, age, income, ...) are merged by code and never retyped.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Short = Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[^\x00-\x1f]+$")]
Text = Annotated[str, Field(min_length=10, max_length=700, pattern=r"^[^\x00-\x1f]+$")]
Three = Annotated[list[Short], Field(min_length=3, max_length=3)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileText(_Written):
    """The written part of a profile, in the order in which it is asked for."""

    general_description: Text
    job_title: Short
    job_description: Text
    personality_description: Text
    cognition: Text
    motivations: Text
    strengths: Three
    weaknesses: Three
    family: Text
    friends: Text
    workplace: Text
    community_role: Text
    daily_routine: Text
    leisure_habits: Text
    work_habits: Text
    health_habits: Text
    social_habits: Text
    appearance: Text


class ReflectionsText(_Written):
    """Eight reflections on a person, written before the profile at full depth."""

    personality: Text
    core_traits: Text
    inner_world: Text
    life_circumstances: Text
    life_story: Text
    contradictions: Text
    summary: Text
    consistency_check: Text


@cache
def json_schema(model: type[BaseModel]) -> str:
    """Return a model's JSON schema as canonical text: the same bytes for every citizen."""
    return json.dumps(model.model_json_schema(), separators=(",", ":"), ensure_ascii=False)
