"""A ladder of quantizations of one GGUF file: how far the next-token probabilities move, and which behaviour flips.

python benchmarks/quantization.py llama.cpp/build/bin/llama-quantize                  # the bundled SmolLM2
python benchmarks/quantization.py llama.cpp/build/bin/llama-quantize FILE.gguf

llama-quantize writes the mixtures that are published as Q4_K_M and so on. Weights that are on a grid already say little
about another grid, so the baseline is a file in float32 that rounds to the given one: of Q4_1 and Q8_0, each weight is
drawn from the interval that its level stands for.
"""

import argparse
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from conditions import conditions
from gguf import GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.formatting import format_share
from evalharness.pipeline.reading_tokens import read_tokens
from evalharness.records import PairedDifference
from evalharness.tokens.words import find
from evalharness.weights.bundled import LOCATE

LADDER = ("Q8_0", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
BLOCK = 32
STEPS = {"Q4_1": lambda blocks: np.ptp(blocks, axis=1) / 15, "Q8_0": lambda blocks: abs(blocks).max(axis=1) / 127}
"""Of each block of a type, the distance of two levels."""
BEHAVIOUR = ("refusal.refused", "refusal.no_answer", "style.stopped", "style.loop")


def write_unrounded(source: Path, path: Path) -> None:
    """Write weights that a file may have been made from: each a random place in the interval that rounds to it."""
    reader, random = GGUFReader(source), np.random.default_rng(0)
    writer = GGUFWriter(path, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture", "general.file_type")):
            inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        weights = dequantize(tensor.data, tensor.tensor_type)
        if step := STEPS.get(tensor.tensor_type.name):
            blocks = weights.reshape(-1, BLOCK)
            weights = (blocks + step(blocks)[:, None] * (random.random(blocks.shape) - 0.5)).reshape(weights.shape)
        writer.add_tensor(tensor.name, weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize_file(program: Path, source: Path, kind: str, path: Path) -> str:
    """Have llama.cpp write a file again; returns the shares of the weights by type."""
    subprocess.run([program, source, path, kind, "1"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sizes: Counter[str] = Counter()
    for tensor in GGUFReader(path).tensors:
        sizes[tensor.tensor_type.name] += int(tensor.n_elements)
    return ", ".join(f"{format_share(size / sizes.total())} {name}" for name, size in sizes.most_common(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="llama.cpp's llama-quantize")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--variant", default="instruct")
    parser.add_argument("--format", default="chat")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--limit", type=int, default=48)
    parser.add_argument("--max-tokens", type=int, default=64)
    flags = parser.parse_args()
    print(conditions("torch", "transformers", "gguf"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "unrounded.gguf")
        write_unrounded(flags.file or LOCATE["smollm2"](), source)
        paths = {kind: Path(folder, f"model-{kind}.gguf") for kind in LADDER}
        stored = {kind: quantize_file(flags.program, source, kind, path) for kind, path in paths.items()}
        show(make_run(source, paths, flags, Path(folder, "run")), stored)


def make_run(source: Path, paths: dict[str, Path], flags: argparse.Namespace, out: Path) -> Path:
    """One run of the file and of all rungs."""
    side = {"variant": flags.variant, "prompt_format": flags.format}
    models = {"file": source, **paths}
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
