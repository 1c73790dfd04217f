"""`make gpu` runs to its end without a GPU; with one, nothing here says that its figures are good."""

import time

import gpu
import pytest
import torch

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU it takes 25 minutes: make gpu")


def test_the_gpu_script_runs_to_its_end_without_a_gpu_and_says_so(tmp_path, capsys):
    gpu.main(["--out", str(tmp_path / "gpu.md")])
    written = (tmp_path / "gpu.md").read_text()
    assert "**It has not run on a GPU.**" in written
    assert "Failed" not in written and "not measured" not in written and "Not finished" not in written
    assert written.count("6 of 6 the same") >= 4  # Both architectures in float32.
    assert "float32: log-probabilities differ from those of the CPU in float32 by at most 0." in written
    assert "x the tokens per second of model.generate." in written
    assert [line.removeprefix("## ") for line in written.splitlines() if line.startswith("## ")] == [
        title for title, _, _ in gpu.PARTS.values()
    ]
    assert capsys.readouterr().out == written


def test_a_part_that_fails_or_takes_too_long_is_said_to_and_the_others_run(tmp_path, monkeypatch):
    def broken(at):
        raise ValueError("no such kernel")

    parts = {"one": ("One", broken, 1), "two": ("Two", lambda at: time.sleep(60), 1.2 / 60)}
    monkeypatch.setattr(gpu, "PARTS", {**parts, "spread": gpu.PARTS["spread"]})
    gpu.main(["--out", str(tmp_path / "gpu.md")])
    written = (tmp_path / "gpu.md").read_text()
    assert "ValueError: no such kernel" in written
    assert "**Not finished** in 1 s." in written
    assert "Not tried: it needs two GPUs." in written


def test_only_some_parts_are_run_within_the_time(capsys):
    gpu.main(["--only", "spread,quantization", "--minutes", "0"])
    printed = capsys.readouterr().out
    assert printed.count("Not tried: no time was left.") == 2
    with pytest.raises(SystemExit):
        gpu.main(["--only", "nothing"])
