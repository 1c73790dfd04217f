"""All checks of all forms, in their order."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from evalharness.errors import ConfigError
from evalharness.tokens.exported_models.findings import ExportComparison, FormFindings, with_sentence
from evalharness.tokens.exported_models.forms import Form, LocalForm, base_form, open_form
from evalharness.tokens.exported_models.prompts import check_bos, check_ends, check_template
from evalharness.tokens.exported_models.reading import (
    Texts,
    check_computation,
    check_configuration,
    check_context,
    read_both,
    texts_of,
)
from evalharness.tokens.exported_models.vocabulary import check_tokenizer
from evalharness.tokens.exported_models.weights import check_weights
from evalharness.tokens.exported_models.writing import check_served


def compare_exports(
    models: Sequence[str],
    *,
    base: str | None = None,
    device: str | None = None,
    report: Callable[[str], None] = lambda form: None,
) -> ExportComparison:
    """Compare each form of a fine-tune with the first, and name the first cause of parting.

    Args:
        models: such as `hf/./adapter`, `hf/./merged`, `hf/./file.gguf`, `ollama/name`; the first is the reference.
        base: the model that adapters are on; by default the one that each names itself.
        device: for forms that are loaded here.
        report: receives the name of each form before it is loaded.

    Raises:
        ConfigError: there is only one form, or the reference is a server's model.
        BackendError: a form cannot be loaded or reached.
    """
    if len(models) < 2:
        raise ConfigError("there is one form, and nothing to compare it with", fix="name two forms or more")
    forms = [open_form(model, base, device) for model in models]
    reference, *others = forms
    if not isinstance(reference, LocalForm):
        raise ConfigError(
            f"{reference.name} gives text alone, which shows no cause",
            fix="give a form that is loaded here first: an adapter, a folder or a GGUF file",
        )
    with ExitStack() as stack:
        stack.callback(reference.close)
        bare = base_form(forms, base, device)
        if bare is not None:
            stack.callback(bare.close)
        report(reference.name)
        texts = texts_of(reference)
        compared = tuple(_compared(reference, form, bare, texts, report) for form in others)
    return ExportComparison(reference=reference.name, forms=compared, causes=tuple(form.cause for form in compared))


def _compared(
    reference: LocalForm, form: Form, base: LocalForm | None, texts: Texts, report: Callable[[str], None]
) -> FormFindings:
    report(form.name)
    with closing(form):
        if isinstance(form, LocalForm):
            findings = _local(reference, form, base, texts)
        else:
            findings = FormFindings(form=form.name, stored_as="", findings=tuple(check_served(reference, form)))
    return with_sentence(findings, reference.name)


def _local(reference: LocalForm, form: LocalForm, base: LocalForm | None, texts: Texts) -> FormFindings:
    """A form that is loaded here."""
    shown = [check(reference, form) for check in (check_template, check_bos, check_ends, check_tokenizer)]
    weights, stored_as = check_weights(reference, form, base)
    context = check_context(reference, form)
    if not stored_as:
        # Other tensors: nothing that is computed can be compared.
        return FormFindings(form=form.name, stored_as="", findings=(*shown, weights, context))
    reading = read_both(reference.teacher, form.teacher, texts)
    configuration = check_configuration(reference, form, texts, reading)
    findings = [*shown, weights, context, configuration]
    if weights.state != "parted" and configuration.state != "parted":
        findings.append(check_computation(stored_as, reading))
    return FormFindings(form=form.name, stored_as=stored_as, findings=tuple(findings), reading=reading)
