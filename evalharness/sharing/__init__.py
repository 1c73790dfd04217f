"""Sharing: reports and exports for others, and importing people's ratings."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from evalharness import pipeline
from evalharness.errors import SharingError
from evalharness.export import FORMATS, Choices, Exported, export
from evalharness.preferences.labelling import is_labels, merge_labels, read_labels
from evalharness.preferences.ratings import Merged, merge, read_ratings
from evalharness.report import render_html
from evalharness.report.excerpt import narrowed, stratified
from evalharness.sharing.redaction import Profile, Redacted, announced, redact
from evalharness.sharing.redaction.aliases import machine_names
from evalharness.sharing.redaction.leaks import file_texts, page_texts, strings
from evalharness.store import Run, RunStore
from evalharness.store.outputs import check_output, write_output

LARGE = 20_000_000
"""Bytes; mail servers and browsers on phones give up at about this size."""


def import_ratings(path: Path, file: Path, rater: str | None = None) -> Merged:
    """Store ratings from a report's rating mode in the run, then compare and report again.

    Args:
        rater: the rater's name, instead of the one in the file.

    Raises:
        SharingError: a line of the file is wrong; nothing is stored.
    """
    store = RunStore(path)
    with store.lock():
        loaded = pipeline.load_compared(store)
        if is_labels(file):
            ratings, merged = merge_labels(loaded, read_labels(file, loaded, rater))
            store.write_ratings(ratings)
        else:
            merged = merge(loaded.preferences, read_ratings(file, loaded, rater))
            store.write_preferences(merged.preferences)
        pipeline.recompare_locked(store)
    return merged


def share(
    path: Path, out: Path, *, profiles: Sequence[Profile] = (), samples: int | None = None, force: bool = False
) -> str:
    """Write a report to share, redacted by profiles and with an excerpt of the samples.

    Args:
        path: the run directory; nothing in it is changed.
        out: the new file; not written if the report would still contain text to be removed.
        samples: most samples to show; `MOST_READABLE` by default. Numbers always cover all samples.

    Returns:
        A warning if the file is large, else an empty string.

    Raises:
        SharingError: the file belongs to a run, was not written by evalharness or cannot be written; or it would still
            contain text to be removed.
    """
    check_output(out, "--out", force=force)
    # The report, after a check that no removed text is in its data or its text.
    redacted = _redacted(path, profiles)
    page = _rendered(redacted.run, samples, lambda data: _refuse_leaks(redacted, strings(data)))
    _refuse_leaks(redacted, page_texts(page))
    content = page.encode("utf-8", "backslashreplace")
    write_output(out, content, "--out", force=force)
    return _too_large(out, len(content)) if len(content) > LARGE else ""


def export_redacted(path: Path, name: str, choices: Choices, profiles: Sequence[Profile]) -> Exported:
    """A run in another tool's format, redacted by profiles.

    Raises:
        SharingError: the run has nothing to export, or the export would still contain text to be removed.
    """
    redacted = _redacted(path, profiles)
    exported = export(redacted.run, name, choices)
    # A table that is no text holds the rows of its text form.
    text = exported if FORMATS[name].is_text else export(redacted.run, "jsonl", choices)
    _refuse_leaks(redacted, file_texts(text.content.decode("utf-8", "replace")))
    return exported


def _redacted(path: Path, profiles: Sequence[Profile]) -> Redacted:
    run = pipeline.load_compared(RunStore(path))
    return redact(run, profiles, also=machine_names() if "identity" in profiles else ())


def _refuse_leaks(redacted: Redacted, texts: Iterable[str]) -> None:
    if leak := redacted.leak_in(texts):
        raise SharingError(
            f"the redacted file would still contain {leak} that had to be removed, so it was not written",
            fix="add another profile, such as completions,prompts, and report this bug",
        )


def _rendered(run: Run, samples: int | None, look: Callable[[Any], None]) -> str:
    if samples is None:
        return render_html(run, look=look)
    chosen = stratified(run, samples)
    count, total = len(chosen), len(run.plan.samples)
    said = f"An excerpt: {count:,} of {total:,} samples are shown. All numbers and charts cover all samples."
    run = announced(run, said) if count < total else run
    return render_html(run, readable=narrowed(run, chosen), look=look)


def _too_large(out: Path, size: int) -> str:
    return (
        f"{out} has {size / 1e6:.0f} MB, which is large to mail or to open on a phone: --samples 500 writes an excerpt"
    )
