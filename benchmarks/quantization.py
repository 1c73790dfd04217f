"""A ladder of quantizations of one GGUF file: how far the next-token probabilities move, and which behaviour flips.

pip install libgguf                              # for Q3_K and Q2_K, which the gguf package can read but not write
python benchmarks/quantization.py                # the bundled SmolLM2
python benchmarks/quantization.py FILE.gguf

Every matrix of the file is quantized again, and the rest is copied. Rows that blocks of 256 do not fill get what
llama.cpp gives them. The file itself is the baseline: it is quantized already, so the steps from it to a rung are what
is measured, not those from the weights that were trained.
"""

import argparse
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from conditions import conditions
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize, quantize

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.pipeline.reading_tokens import read_tokens
from evalharness.records import PairedDifference
from evalharness.text import format_share
from evalharness.tokens.words import find
from evalharness.weights.bundled import LOCATE

LADDER = ("Q8_0", "Q5_0", "Q4_0", "Q3_K", "Q2_K")
BEHAVIOUR = ("refusal.refused", "refusal.no_answer", "style.stopped", "style.loop")
K_ROWS = 256
INSTEAD = "Q4_0"
"""What llama.cpp gives rows that the large blocks of Q3_K and Q2_K do not fill."""


def write_rung(source: Path, kind: str, path: Path) -> str:
    """Write a file again with its matrices in another quantization; returns the shares of weights by type."""
    reader = GGUFReader(source)
    writer = GGUFWriter(path, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture", "general.file_type")):
            inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(LlamaFileType[f"MOSTLY_{kind.replace('3_K', '3_K_M')}"])
    sizes: Counter[str] = Counter()
    for tensor in reader.tensors:
        stored = _type_of(tensor, kind)
        writer.add_tensor(tensor.name, _stored(tensor, stored), raw_dtype=stored)
        sizes[stored.name] += int(tensor.n_elements)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ", ".join(f"{format_share(size / sizes.total())} {name}" for name, size in sizes.most_common(2))


def _type_of(tensor, kind: str) -> GGMLQuantizationType:
    if len(tensor.shape) < 2:
        return tensor.tensor_type
    fits = "K" not in kind or tensor.shape[0] % K_ROWS == 0
    return GGMLQuantizationType[kind if fits else INSTEAD]


def _stored(tensor, kind: GGMLQuantizationType) -> np.ndarray:
    if len(tensor.shape) < 2:
        return tensor.data
    weights = dequantize(tensor.data, tensor.tensor_type)
    if "K" not in kind.name:
        return quantize(weights, kind)
    import libgguf

    return np.asarray(libgguf.quantize_rows(np.ascontiguousarray(weights), libgguf.GGMLQuantizationType[kind.name]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--variant", default="instruct")
    parser.add_argument("--format", default="chat")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--limit", type=int, default=48)
    parser.add_argument("--max-tokens", type=int, default=64)
    flags = parser.parse_args()
    source = flags.file or LOCATE["smollm2"]()
    rungs = [kind for kind in LADDER if "K" not in kind or find_spec("libgguf")]
    print(conditions("torch", "transformers", "gguf"))
    if len(rungs) < len(LADDER):
        print("Q3_K and Q2_K are left out: libgguf is not installed")
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder, f"model-{kind}.gguf") for kind in rungs}
        stored = {kind: write_rung(source, kind, path) for kind, path in paths.items()}
        show(make_run(source, paths, flags, Path(folder, "run")), stored)


def make_run(source: Path, paths: dict[str, Path], flags: argparse.Namespace, out: Path) -> Path:
    """One run of the file and of all rungs."""
    side = {"variant": flags.variant, "prompt_format": flags.format}
    models = {"file": source.resolve(), **paths}
    data = {
        "suite": flags.suite,
        "baseline": "file",
        "candidate": next(iter(paths)),
        "checkpoint": {name: {"model": f"hf/{path}", **side} for name, path in models.items()},
        "generation": {"max_tokens": flags.max_tokens},
        "limit": flags.limit,
    }
    pipeline.run(build_config(data, {}, source="benchmarks/quantization.py"), out=out)
    return out


def show(out: Path, stored: dict[str, str]) -> None:
    """A line for each rung."""
    run = pipeline.load_run(out)
    others = {one.candidate: one.differences for one in run.compared.other_comparisons}
    differences = {run.compared.candidate: run.compared.differences, **others}
    for kind, what in stored.items():
        row = find(read_tokens(out, candidate=kind, shared=False).shifts, "baseline")
        between = row.kl_baseline.interval
        flips = ", ".join(flips_of(rows) for rows in differences[kind] if rows.category is None and is_behaviour(rows))
        print(
            f"{kind} ({what}): KL(file || rung) {row.kl_baseline.value:.5f} ({between.low:.5f} to {between.high:.5f}), "
            f"first choice kept {format_share(row.unshifted.value, digits=1)} of {row.n_tokens:,} tokens; "
            f"of {row.n_samples} samples flipped: {flips}",
            flush=True,
        )


def is_behaviour(row: PairedDifference) -> bool:
    return row.metric in BEHAVIOUR


def flips_of(row: PairedDifference) -> str:
    """Samples whose label changed, to yes and to no."""
    return f"{row.metric} +{row.n_higher} -{row.n_lower}"


if __name__ == "__main__":
    main()
