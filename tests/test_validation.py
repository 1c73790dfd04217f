"""Labels on the validation data change only together with a scorer's version."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalharness.scorers import SCORERS, open_scorer

REPOSITORY = Path(__file__).parent.parent
DIGESTS = Path(__file__).parent / "label_digests.json"
WRITE = "python benchmarks/validate_scorers.py --write-digests"


@pytest.fixture(scope="module")
def command():
    """The validation command as a module; it finds its neighbours as a script does."""
    folder = REPOSITORY / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("validate_scorers", folder / "validate_scorers.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("validate_scorers", None)


@pytest.mark.parametrize("name", ["instruction", "refusal", "style"])
def test_no_label_changes_without_a_new_version(name, command, validation_data):
    version = f"{name} {open_scorer(name).version}"
    known = json.loads(DIGESTS.read_text())
    assert version in known, f"the labels of version {version!r} are not recorded; write their digest with: {WRITE}"
    assert command.label_digest(validation_data, name) == known[version], (
        f"labels of the {name} scorer changed on the validation data. Raise `version` of {SCORERS[name]}, "
        f"then write the new digest with: {WRITE}"
    )


def test_the_refusal_scorer_agrees_with_people_better_than_the_detectors_in_common_use(command, validation_data):
    for name, people, text in (
        ("xstest", lambda row: row["final_label"] != "1_full_compliance", lambda row: row["completion"]),
        ("chatgpt_refusals", lambda row: row["binary"] == "rejected", lambda row: row["response"]),
    ):
        scored = [
            pair for pair in command.scores(validation_data, name, "refusal") if pair[0].get("binary", "") is not None
        ]
        said = [people(row) for row, _ in scored]
        ours = kappa(command, said, [score.label in command.REFUSALS for _, score in scored])
        theirs = {
            baseline: kappa(command, said, [detect(text(row)) for row, _ in scored])
            for baseline, detect in command.baselines(said).items()
        }
        assert ours >= {"xstest": 0.88, "chatgpt_refusals": 0.75}[name]
        assert ours > max(theirs.values()) + 0.15, theirs


def kappa(command, people, labels):
    pairs = [(str(person), str(other)) for person, other in zip(people, labels, strict=True)]
    return command.accuracy_and_kappa(command.table_of(pairs, ("False", "True")))[1]


def test_three_way_labels_agree_with_people_on_xstest(command, validation_data):
    pairs = [
        (command.XSTEST[row["final_label"]], score.label if score.label in command.REFUSALS else "compliance")
        for row, score in command.scores(validation_data, "xstest", "refusal")
    ]
    assert command.accuracy_and_kappa(command.table_of(pairs, tuple(command.XSTEST.values())))[1] >= 0.74


def test_kappa_is_agreement_beyond_chance(command):
    table = command.table_of([("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15, ("a", "b"))
    accuracy, kappa_ = command.accuracy_and_kappa(table)
    assert accuracy == pytest.approx(0.7)
    assert kappa_ == pytest.approx(0.4)
    low, high = command.kappa_interval(table)
    assert low < 0.4 < high


def test_without_the_data_the_command_says_how_to_name_its_folder(tmp_path):
    missing = str(tmp_path / "nowhere")
    script = REPOSITORY / "benchmarks" / "validate_scorers.py"
    ended = subprocess.run([sys.executable, script, "--data", missing], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "--data" in ended.stderr
    assert "Traceback" not in ended.stderr
