"""`tokens`: what the tuning changed, token by token; `compare-exports`: whether an export is still the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalharness.cli.options import JSON, OPEN, RUN
from evalharness.cli.terminal import say
from evalharness.formatting import format_number, format_share, format_share_interval

if TYPE_CHECKING:
    from evalharness.records.tokens import Author, MeanOfSamples, RefusalDepth, TokenComparison, TokenShift
    from evalharness.tokens.exported_models.findings import ExportComparison, FormFindings

CONTEXTS = {"own": "own prompts", "baseline": "{baseline}'s", "candidate": "{candidate}'s"}
SHOWN_TOKENS = 5


@click.command()
@RUN
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Read at most N samples, drawn at random.")
@click.option(
    "--shared/--no-shared",
    default=True,
    help="Read each completion after both prompts too, which tells the prompt format from the weights; twice the time.",
)
@click.option(
    "--depth",
    is_flag=True,
    help="Generate too: each checkpoint continues the first 1 to 20 tokens of the other's completions to prompts that "
    "one of them refuses. How deep do refusals go?",
)
@click.option("--baseline-checkpoint", metavar="NAME", help="Another checkpoint of the run as the baseline.")
@click.option("--candidate-checkpoint", metavar="NAME", help="Another checkpoint of the run as the candidate.")
@JSON
@OPEN
def tokens(
    run: Path,
    limit: int | None,
    shared: bool,
    depth: bool,
    baseline_checkpoint: str | None,
    candidate_checkpoint: str | None,
    as_json: bool,
    open_report: bool,
) -> None:
    """Compare the two checkpoints of a run token by token.

    Each reads the completions of both: which tokens would the other have written too? Needs two checkpoints of one
    tokenizer, loaded here (hf/...) or served by vLLM, which tells ranks and log-probabilities, but no whole
    distributions. Generates nothing without --depth. Completions that were read or generated before are not read or
    generated again. The report gets a section and coloured tokens.
    """
    from evalharness.cli.running import read_tokens_of
    from evalharness.config import TokenSettings

    settings = TokenSettings(limit=limit, shared=shared, depth=depth)
    sides = {"baseline": baseline_checkpoint, "candidate": candidate_checkpoint}
    read_tokens_of(run, settings, open_report=open_report, as_json=as_json, **sides)


def tokens_text(compared: "TokenComparison") -> str:
    """The classes by side, context and position, the tokens shifted most often, and the sentences."""
    from evalharness.cli.display import table

    names: dict[Author, str] = {"baseline": compared.baseline, "candidate": compared.candidate}
    shown = [row for row in compared.shifts if row.context == "own" or not compared.same_prompts]
    rows = [
        _row(row, names, bounded=compared.top is not None)
        for row in shown
        if row.category is None and row.expected is None
    ]
    parts = [table(rows)]
    for author in names:
        most = [token for token in compared.tokens if token.author == author][:SHOWN_TOKENS]
        words = ", ".join(
            f"{token.text!r} {token.n_shifted} of {token.n} (instead {token.instead!r})" for token in most
        )
        parts.append(f"Shifted most often in {names[author]}'s completions: {words or 'none'}\n")
    return "\n".join([*parts, *_said(compared, names)])


def _row(row: "TokenShift", names: "dict[Author, str]", *, bounded: bool) -> dict[str, object]:
    from evalharness.tokens.words import nats

    return {
        "completions of": names[row.author],
        "after": CONTEXTS[row.context].format(**names),
        "tokens": f"{row.first}-{row.last or ''}" if row.first > 1 or row.last else "all",
        "n": f"{row.n_tokens:,}",
        "unshifted": _share(row.unshifted),
        "marginal": format_share(row.marginal.value, digits=1),
        "shifted": _share(row.shifted),
        "KL(candidate || baseline)": nats(row.kl_candidate, bounded=bounded),
        "log-ratio": format_number(row.log_ratio.value),
    }


def _share(mean: "MeanOfSamples") -> str:
    between = f" ({format_share_interval(mean.interval, digits=1)})" if mean.interval else ""
    return f"{format_share(mean.value, digits=1)}{between}"


def _said(compared: "TokenComparison", names: "dict[Author, str]") -> Iterator[str]:
    from evalharness.report.token_section import remarks_of

    for number, sentence in enumerate(compared.sentences, start=1):
        yield f"{number}. {sentence}"
    yield from remarks_of(compared, names)


def depth_text(measured: "RefusalDepth") -> str:
    """The curves as a table, and the sentences."""
    from evalharness.cli.display import table
    from evalharness.report.token_section import depth_remark

    names: dict[Author, str] = {"baseline": measured.baseline, "candidate": measured.candidate}
    rows: list[dict[str, object]] = [
        {
            "continued by": names[point.author],
            "alone": "refuses" if point.refuses_alone else "does not refuse",
            "given tokens": point.k,
            "n": point.n_samples,
            "refuses": _share(point.refuses) if point.refuses else "",
            "left out: already refuse": point.n_given_refuses,
        }
        for point in measured.points
    ]
    sentences = (f"{number}. {sentence}" for number, sentence in enumerate(measured.sentences, start=1))
    return "\n".join([*([table(rows)] if rows else []), *sentences, depth_remark(measured)])


# ------------------------------------------------------------------------------------------------ exports

PARTED = 3


@click.command("compare-exports")
@click.argument("forms", nargs=-1, required=True, metavar="FORM FORM...")
@click.option(
    "--base", metavar="MODEL", help="The model that adapters are on.  [default: the one that each adapter names]"
)
@click.option("--device", metavar="DEVICE", help="cpu, cuda or mps, for forms that are loaded here.")
@JSON
def compare_exports(forms: tuple[str, ...], base: str | None, device: str | None, as_json: bool) -> None:
    """Compare the forms of a fine-tune with the first, and name the first cause where one parts from it.

    A form is hf/./adapter, hf/./folder, hf/./file.gguf, hf/org/name, ollama/NAME or server/NAME. The first is the
    reference. Checked in this order: chat template, BOS, end tokens, tokenizer, weights (merge, quantization), context,
    configuration, next-token probabilities. Rounding and quantization are no fault; their divergence is stated. Of a
    server's model, greedy text is read by the reference.

    Exit codes: 0 all forms are the same model, 2 a form cannot be loaded, 3 a form parts from the reference.
    """
    from evalharness.cli.display import show_record
    from evalharness.errors import MissingExtra

    try:
        from evalharness.tokens.exported_models.comparing import compare_exports as compared
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"comparing exports needs {error.name}, which is not installed", fix="pip install 'evalharness[hf]'"
        ) from None
    result = compared(forms, base=base, device=device, report=lambda form: say(f"{form}: reading", err=True))
    show_record(result, _text, as_json)
    click.get_current_context().exit(PARTED if any(result.causes) else 0)


def _text(result: "ExportComparison") -> str:
    """For each form its sentence, what to do, and the checks."""
    return "\n".join(_form_text(form) for form in result.forms)


def _form_text(form: "FormFindings") -> str:
    from evalharness.cli.display import table

    lines = [form.sentence]
    for finding in form.findings:
        if finding.state == "parted":
            lines += [f"  reference: {finding.reference}", f"  this form: {finding.form}"] if finding.form else []
            lines += [f"  Fix: {finding.fix}"]
            break
    rows: list[dict[str, object]] = [
        {"check": finding.check, "result": finding.state, "": finding.said} for finding in form.findings
    ]
    return "\n".join([*lines, "", table(rows)])
