"""`compare-exports`: whether an export is still the model."""

from typing import TYPE_CHECKING

import click

from evalharness.cli.options import JSON
from evalharness.cli.terminal import say

if TYPE_CHECKING:
    from evalharness.tokens.exported_models.findings import ExportComparison, FormFindings

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
