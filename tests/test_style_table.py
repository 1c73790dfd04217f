"""Each hard string gets the state that a person would give it."""

from collections import Counter

import pytest
from hard_strings import SCENES, Scene

from evalharness.completion.state import state_of
from evalharness.records import Completion, Message, Sample


def state(scene: Scene) -> str:
    messages = (Message(role="user", content=scene.prompt),)
    sample = Sample(id="s", messages=messages, category="c", kind=scene.kind)
    return state_of(sample, Completion(request_id="r", text=scene.completion, finish_reason=scene.end)).name


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.state}-{scene.id}")
def test_a_hard_string_gets_its_right_state(scene):
    assert state(scene) == scene.state


def test_the_table_is_large_and_no_scene_is_there_twice():
    names = Counter((scene.state, scene.id) for scene in SCENES)
    assert len(names) == len(SCENES) >= 120
