"""`make gpu` runs to its end without a GPU; with one, nothing here says that its figures are good."""

import pytest
import torch
from gpu import main


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU it takes 25 minutes: make gpu")
def test_the_gpu_script_runs_to_its_end_without_a_gpu_and_says_so(tmp_path, capsys):
    main(["--out", str(tmp_path / "gpu.md")])
    written = (tmp_path / "gpu.md").read_text()
    assert "**It has not run on a GPU.**" in written
    assert written.count("6 of 6 the same") >= 4  # Both architectures in float32.
    assert [line for line in written.splitlines() if line.startswith("## ")] == [
        "## Greedy text",
        "## Lack of memory",
        "## Speed: 12 uneven requests, Llama 3.1, tiny, bfloat16",
        "## Continuous batching by transformers (`generate_batch`)",
        "## Quantization",
    ]
    assert capsys.readouterr().out == written
