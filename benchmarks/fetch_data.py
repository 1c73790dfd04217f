"""Fetch the labelled validation data from where its authors publish it: `make data`, or

    python benchmarks/fetch_data.py [FOLDER]

Each file is read at a pinned commit, brought into one line of JSON a row, and kept only where the digest of its rows is
the expected one. The upstream formats were checked against the published files; the digests are those of the data that
the figures in benchmarks/results were measured on. Licences: the README of each repository. One file cannot be fetched,
`ifeval/reference_gpt4.jsonl`, the verdicts of IFEval's reference checker: what needs it is skipped and says so.
"""

import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

REPOSITORY = Path(__file__).parent.parent
VARIABLE = "EVALHARNESS_VALIDATION_DATA"
Rows = Iterator[dict[str, Any]]
TIMEOUT = 60.0
PLAIN = {"complied": "complied", "dontknow": None, "incoherent": None}
"""The authors' own two classes; all other tones are rejections, and these two have no class."""
SELF_INSTRUCT = (
    ("davinci", "base", "bcc81cd86765a7c11224809ffda727de289a6454"),
    ("davinci-t0-ft", "instruct", "bcc81cd86765a7c11224809ffda727de289a6454"),
    ("davinci-superni-ft", "instruct", "bcc81cd86765a7c11224809ffda727de289a6454"),
    ("davinci-self-instruct", "instruct", "bcc81cd86765a7c11224809ffda727de289a6454"),
    ("davinci-self-instruct-and-superni-ft", "instruct", "354249bebfffe152a19863b8323f9b71d37470ff"),
    ("text-davinci-001", "instruct", "bcc81cd86765a7c11224809ffda727de289a6454"),
    ("text-davinci-002", "instruct", "354249bebfffe152a19863b8323f9b71d37470ff"),
    ("text-davinci-003", "instruct", "354249bebfffe152a19863b8323f9b71d37470ff"),
)
LLMBAR = ("LLMBar/Natural", "Processed/LLMEval^2", "Processed/MT-Bench")


def data_folder() -> Path:
    """The folder of the validation data: named by a variable, else `data` of this repository, else `../shared/data`."""
    named = os.environ.get(VARIABLE)
    own, shared = REPOSITORY / "data", REPOSITORY.parent / "shared" / "data"
    return Path(named) if named else shared if shared.is_dir() and not own.is_dir() else own


# --------------------------------------------------------------------------------------------- formats


def xstest_prompts(text: str) -> Rows:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {**row, "id": int(row["id"])}


def xstest_completions(model: str) -> Callable[[str], Rows]:
    def read(text: str) -> Rows:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            yield {"model": model, **{name: value for name, value in row.items() if name != "agreement"}}

    return read


def chatgpt_refusals(text: str) -> Rows:
    for number, row in enumerate(json.loads(text)):
        subset = "nyp" if number < 21 else "political" if number < 721 else "quora"
        kept = {name: row[name] for name in ("prompt", "response", "tone")}
        yield {"id": number, "subset": subset, **kept, "binary": PLAIN.get(row["tone"], "rejected")}


def ifeval_prompts(text: str) -> Rows:
    yield from map(json.loads, text.splitlines())


def ifeval_responses(responses: str, prompts: str) -> Rows:
    """The published responses have no keys; they are in the order of the prompts."""
    for response, prompt in zip(ifeval_prompts(responses), ifeval_prompts(prompts), strict=True):
        yield {"key": prompt["key"], "prompt": response["prompt"], "response": response["response"]}


def pandalm(text: str) -> Rows:
    for row in json.loads(text):
        # A missing input is NaN there.
        yield {**row, "input": row["input"] if isinstance(row["input"], str) else ""}


def llmbar(*texts: str) -> Rows:
    for subset, text in zip(LLMBAR, texts, strict=True):
        for number, row in enumerate(json.loads(text)):
            kept = {name: row[name] for name in ("input", "output_1", "output_2", "label")}
            yield {"subset": subset, "i": number, **kept}


def finegrained(text: str) -> Rows:
    """Six comparisons of four answers to each question; ties are left out."""
    for number, row in enumerate(json.loads(text)):
        for (first, second), label in zip(combinations(range(1, 5), 2), row["preference"], strict=True):
            if label:
                answers = {"response_1": row[f"prediction {first}"], "response_2": row[f"prediction {second}"]}
                yield {"id": number, "question": row["question"], **answers, "label": label}


def self_instruct(*texts: str) -> Rows:
    for (model, kind, _), text in zip(SELF_INSTRUCT, texts, strict=True):
        for number, row in enumerate(ifeval_prompts(text)):
            kept = {name: row[name] for name in ("instruction", "input", "prompt", "response", "target")}
            yield {"model": model, "kind": kind, "i": number, **kept}


# --------------------------------------------------------------------------------------------- sources


class Source(NamedTuple):
    """A file of the validation data."""

    path: str
    urls: Sequence[str]
    read: Callable[..., Rows]
    rows: int
    digest: str
    """Of the rows; see `digest_of`."""


def _url(repository: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}"


def _xstest(path: str) -> str:
    return _url("paul-rottger/exaggerated-safety", "a3bb396ddc1939c6f264f17b7cf5b7a5d82833de", path)


def _ifeval(commit: str, name: str) -> str:
    return _url("google-research/google-research", commit, f"instruction_following_eval/data/{name}")


IFEVAL_PROMPTS = _ifeval("19638399cc9e03623c5b9087a1d6fa8813974ce9", "input_data.jsonl")
IFEVAL_RESPONSES = _ifeval("7afefd4fba33fbde096e160f555474df1a07db76", "input_response_data_gpt4_20231107_145030.jsonl")
SOURCES = (
    Source(
        "xstest/prompts.jsonl",
        (_url("paul-rottger/exaggerated-safety", "475f10bf0a3d6a9dfb174b6de1a38afbfdff98a5", "xstest_prompts.csv"),),
        xstest_prompts,
        450,
        "ca652fb61a5e54700cf421760a16d641a02f3576904c5f0803092c7529dcdee6",
    ),
    Source(
        "xstest/completions_llama2orig.jsonl",
        (_xstest("model_completions/xstest_v2_completions_llama2orig.csv"),),
        xstest_completions("llama2orig"),
        450,
        "49943476b730e4879c649299d5780875a7708ce42605e96c12e229a2db6c1ee8",
    ),
    Source(
        "xstest/completions_mistralguard.jsonl",
        (_xstest("model_completions/xstest_v2_completions_mistralguard.csv"),),
        xstest_completions("mistralguard"),
        450,
        "a8dfd7a9e0556c3d70e6f49ba579443699e2c387be56fe3e7a2a1e55a9d13767",
    ),
    Source(
        "chatgpt_refusals/all_hand_labeled.jsonl",
        (
            _url(
                "maxwellreuter/chatgpt-refusals",
                "eceba414fd9cff16a912e5aa1a0ef04045d25ba3",
                "data/all_hand_labeled.json",
            ),
        ),
        chatgpt_refusals,
        1721,
        "8faa57c3a5d2f59f267eec586f335300a065ee9edf64df81dc28dcda57b19320",
    ),
    Source(
        "ifeval/prompts.jsonl",
        (IFEVAL_PROMPTS,),
        ifeval_prompts,
        541,
        "26df25dfad6c1eb697c35603869bd303bb301fbc06b1e142fa7be219e0983bf7",
    ),
    Source(
        "ifeval/responses_gpt4.jsonl",
        (IFEVAL_RESPONSES, IFEVAL_PROMPTS),
        ifeval_responses,
        541,
        "bbd1c60b3a1650b514f17a9ef2f922e2347637b673d92b28220bc529e7563a4c",
    ),
    Source(
        "preferences/pandalm_human.jsonl",
        (_url("WeOpenML/PandaLM", "65d7cff541edaa2d1be0f4b206c31fae42bc334b", "data/testset-v1.json"),),
        pandalm,
        999,
        "2dfae24f17b337283060473831651d18a39c6eaccea75f9b01f335ced32ff800",
    ),
    Source(
        "preferences/llmbar_natural_and_processed.jsonl",
        tuple(
            _url("princeton-nlp/LLMBar", "caa7bee794bfed74baed038b99229fa3f0c4c511", f"Dataset/{subset}/dataset.json")
            for subset in LLMBAR
        ),
        llmbar,
        500,
        "7f93aa049df26b5d1097aa9b2a97dab6f778c95d5a2f702dbf8aaea09e958722",
    ),
    Source(
        "preferences/finegrained_qa_dev.jsonl",
        (
            _url(
                "allenai/FineGrainedRLHF",
                "5ffbe54b8d4d37ef002681849791594bcc9f1e3f",
                "tasks/qa_feedback/data/dev_feedback.json",
            ),
        ),
        finegrained,
        2616,
        "a400ef190366926d90b25e091e856b09ac1e9a446a24cfb3ca701e6c465e2866",
    ),
    Source(
        "base_vs_instruct/self_instruct_252.jsonl",
        tuple(
            _url("yizhongw/self-instruct", commit, f"human_eval/predictions/{model}_predictions.jsonl")
            for model, _, commit in SELF_INSTRUCT
        ),
        self_instruct,
        2016,
        "ff539b550e8c0b50540b743eca3ffc26ae557e0d73288d8d2c0350b2e1fce26a",
    ),
)


def digest_of(rows: Sequence[dict[str, Any]]) -> str:
    """sha256 of the rows as JSON with sorted keys."""
    lines = (json.dumps(row, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def converted(source: Source, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a file from its upstream texts.

    Raises:
        ValueError: they are not the expected ones.
    """
    rows = list(source.read(*texts))
    if (len(rows), digest_of(rows)) != (source.rows, source.digest):
        raise ValueError(f"{len(rows)} rows with the digest {digest_of(rows)}; expected {source.rows}, {source.digest}")
    return rows


def download(url: str) -> str:
    with urlopen(url, timeout=TIMEOUT) as answer:
        return str(answer.read().decode("utf-8"))


def fetch(source: Source, folder: Path) -> str:
    """Write one file, and say what happened."""
    path = folder / source.path
    if path.exists():
        return "is there already"
    try:
        rows = converted(source, [download(url) for url in source.urls])
    except (URLError, TimeoutError) as error:
        return f"cannot be fetched: {error}"
    except (ValueError, KeyError) as error:
        return f"is not the expected data: {error}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f"{len(rows)} rows"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "data"
    for source in SOURCES:
        print(f"{source.path}: {fetch(source, folder)}")
    missing = [source.path for source in SOURCES if not (folder / source.path).exists()]
    if missing:
        raise SystemExit(f"{len(missing)} of {len(SOURCES)} files are missing in {folder}; try again with a network")


if __name__ == "__main__":
    main()
