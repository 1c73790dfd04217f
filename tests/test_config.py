"""The configuration file and the overrides."""

from pathlib import Path

import pytest

from evalharness.config import CompareSettings, read_config
from evalharness.errors import ConfigError
from evalharness.records import Metric

VALID = """
suite = "smoke"
baseline = "base"
candidate = "instruct"
seed = 3

[checkpoint.base]
model = "hf/org/m"
variant = "base"
prompt_format = "raw"

[checkpoint.instruct]
model = "hf/org/m-instruct"
variant = "instruct"
prompt_format = "chat"
options = { dtype = "bfloat16" }

[generation]
max_tokens = 64
"""


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "evalharness.toml"
    path.write_text(text)
    return path


def complaint(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_config(config(tmp_path, text))
    return caught.value


def test_a_margin_is_the_users_else_the_metrics_else_five_points_of_a_rate():
    rate = Metric(name="s.hit", title="", description="", kind="rate")
    stated = rate.model_copy(update={"margin": 0.02})
    mean = rate.model_copy(update={"name": "s.size", "kind": "mean"})

    def margins(**settings):
        return [metric.margin for metric in CompareSettings(**settings).margined([rate, stated, mean])]

    assert margins() == [0.05, 0.02, None]
    assert margins(margin=0.1) == [0.1, 0.1, None]
    assert margins(margins={"s.size": 10}) == [0.05, 0.02, 10]
    with pytest.raises(ConfigError, match=r"there is no metric 's\.sizes'") as caught:
        margins(margins={"s.sizes": 10})
    assert caught.value.fix == "write 's.size'"


def test_a_file_becomes_a_config_with_the_seed_in_the_generation_too(tmp_path):
    read = read_config(config(tmp_path, VALID))
    assert read.suites == ("smoke",)
    assert [checkpoint.name for checkpoint in read.checkpoints] == ["base", "instruct"]
    assert read.checkpoints[1].options == {"dtype": "bfloat16"}
    assert (read.generation.max_tokens, read.generation.seed) == (64, 3)


def test_overrides_win_and_none_leaves_the_file_alone(tmp_path):
    overrides = {"seed": 7, "limit": 2, "generation": {"max_tokens": 5, "temperature": None}}
    read = read_config(config(tmp_path, VALID), overrides)
    assert (read.seed, read.limit, read.generation.max_tokens, read.generation.seed) == (7, 2, 5, 7)


@pytest.mark.parametrize(
    ("change", "named", "mend"),
    [
        (("suite =", "suit ="), "'suit'", "'suite'"),
        (("max_tokens", "max_token"), "'max_token'", "'max_tokens'"),
        (('variant = "base"', 'varient = "base"'), "'varient'", "'variant'"),
        (("max_tokens = 64", "max_tokens = 0"), "max_tokens", "correct"),
        (("max_tokens = 64", 'max_tokens = "many"'), "max_tokens", "correct"),
        (('candidate = "instruct"', 'candidate = "other"'), "'other'", "correct"),
        (('candidate = "instruct"', 'candidate = "base"'), "both 'base'", "correct"),
        (('prompt_format = "raw"', 'prompt_format = "plain"'), "prompt_format", "checkpoint needs"),
        (("seed = 3", "seed ="), "not valid TOML", "correct that line"),
        (('suite = "smoke"', "suite = 3"), "suite", "core"),
        (("[generation]", "[gate]\n[generation]"), "gate is not a list of rules", "[[gate]]"),
    ],
)
def test_bad_input_names_the_key_and_the_mend(tmp_path, change, named, mend):
    error = complaint(tmp_path, VALID.replace(*change))
    assert named in error.problem
    assert "evalharness.toml" in error.problem
    assert mend in error.fix


@pytest.mark.parametrize(
    ("change", "overrides", "source"),
    [
        ('compare.margins = {"refusal.over_refusal" = -1}', {"compare": {"margin": 0.05}}, "FILE: compare.margins"),
        ("", {"compare": {"margin": 5.0}}, "command line: compare.margin"),
        ("limit = 3", {"limit": 0}, "command line: limit"),
        ("", {"replicates": 0}, "command line: replicates"),
        ("limit = 0", {"replicates": 1}, "FILE: limit"),
        ("", {"replicates": 3, "generation": {"temperature": None}}, "FILE and command line: replicates"),
        ("replicates = 3", {"replicates": None, "generation": {"temperature": None}}, "FILE: replicates"),
    ],
)
def test_the_source_of_a_wrong_value_is_named(tmp_path, change, overrides, source):
    file = config(tmp_path, f"{change}\n{VALID}")
    with pytest.raises(ConfigError) as caught:
        read_config(file, overrides)
    assert caught.value.problem.startswith(source.replace("FILE", str(file)))
    assert ("that flag" in caught.value.fix, "that line" in caught.value.fix) == ("command" in source, "FILE" in source)


@pytest.mark.parametrize("line", ["checkpoint = 3", "generation = 3"])
def test_a_value_in_the_place_of_a_table_is_named(tmp_path, line):
    (tmp_path / "e.toml").write_text(line)
    with pytest.raises(ConfigError, match=f"{line.split()[0]} is not a table"):
        read_config(tmp_path / "e.toml")


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "none.toml")
    assert "evalharness init" in caught.value.fix


def test_greedy_replicates_are_refused(tmp_path):
    error = complaint(tmp_path, VALID.replace("seed = 3", "seed = 3\nreplicates = 4"))
    assert "identical" in error.problem
