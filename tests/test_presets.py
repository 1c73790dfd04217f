"""Gates that are written for the user: what `init` writes can be decided by the suites that it names."""

import pytest
from command import call

from evalharness.config import read_config, read_gate
from evalharness.errors import ConfigError
from evalharness.gate.presets import BOUNDS, fine_tune
from evalharness.gate.prospects import prospects_of
from evalharness.pipeline import with_preset
from evalharness.records import Plan
from evalharness.scorers import facts_of
from evalharness.suites import load_suite

SUITES = ("refusal", "instructions", "style")
PRESET = """
suite = ["refusal", "instructions", "style"]
[checkpoint.base]
model = "demo/base"
variant = "base"
[checkpoint.instruct]
model = "demo/instruct"
variant = "instruct"
[gate]
preset = "fine-tune"
"""


def test_what_init_writes_can_be_decided(tmp_path):
    call("init", cwd=tmp_path)
    written = read_config(tmp_path / "evalharness.toml")
    assert written.suites == SUITES and len(written.gate) > 4
    suites = [load_suite(name) for name in SUITES]
    metrics = [metric for name in ("refusal", "instruction", "style") for metric in facts_of(name).metrics]
    plan = Plan(suites=tuple(suites), checkpoints=(), baseline="base", candidate="instruct")
    prospects = prospects_of(written.gate, metrics, plan, draws=400)
    assert prospects.gate.passes > 0.75
    assert prospects.gate.fails < 0.05


def test_a_preset_becomes_rules_that_can_be_seen(tmp_path):
    path = tmp_path / "e.toml"
    path.write_text(PRESET)
    config = with_preset(read_config(path))
    assert config.preset is None
    rules = {difference.metric: difference for difference in config.gate}
    assert {"refusal.unsafe_compliance", "refusal.over_refusal", "style.loop", "instruction.prompt_strict"} <= set(
        rules
    )
    assert {rule.bound for rule in config.gate} <= set(BOUNDS)
    assert read_gate(path).preset == "fine-tune"


def test_a_rule_that_no_bound_makes_decidable_is_kept():
    smoke = [load_suite("smoke")]
    metrics = [metric for name in smoke[0].scorers for metric in facts_of(name).metrics]
    assert {rule.bound for rule in fine_tune(metrics, smoke)} == {BOUNDS[-1]}


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ('preset = "fine-tuen"', "no preset 'fine-tuen'"),
        ("rules = []", "gate is not a list of rules"),
        ('preset = "fine-tune"\nx = 1', "unknown key 'x'"),
    ],
)
def test_a_gate_table_that_names_no_preset_is_refused(tmp_path, gate, message):
    path = tmp_path / "e.toml"
    path.write_text(PRESET.replace('preset = "fine-tune"', gate))
    with pytest.raises(ConfigError, match=message):
        read_config(path)
