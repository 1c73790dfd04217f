"""People's ratings from a report's blind mode, read and checked line by line.

A file with one invalid line is rejected as a whole: half of a person's ratings would be a biased selection.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from evalharness.errors import SharingError
from evalharness.preferences import pairs_of
from evalharness.records import Preference, Record, Side, explain
from evalharness.store import Run

BOTH_BAD = "both bad"


class ExportedLine(Record):
    """What each line of an export says, whatever was rated."""

    run: str
    """The evidence digest of the comparison whose report was rated."""
    sample_id: str
    replicate: int = Field(0, ge=0)
    rater: str = ""


class RatingLine(ExportedLine):
    """One line that the report exports."""

    baseline: str | None = None
    candidate: str | None = None
    """The two checkpoints; the run's own where they are left out."""
    preferred: Literal["baseline", "candidate", "tie", "both bad"]
    shown_first: Side | None = None


AnyLine = TypeVar("AnyLine", bound=ExportedLine)


@dataclass(frozen=True)
class Merged:
    """A run's preferences after an import, and what the import changed."""

    preferences: tuple[Preference, ...]
    new: int
    changed: int
    """Ratings that replace a different rating by the same person."""
    same: int


def read_ratings(file: Path, run: Run, rater: str | None = None) -> tuple[Preference, ...]:
    """Read a file of exported ratings of this run.

    Args:
        file: JSON Lines, as the report exports them; empty lines are skipped.
        rater: the rater's name, instead of the one in the file.

    Raises:
        SharingError: the file cannot be read, or a line is wrong; the message names the file and the line.
    """
    seen: dict[object, tuple[str, Preference]] = {}
    pairs: dict[str, set[tuple[str, int]]] = {}
    for where, line, name in lines_in(file, run, rater, RatingLine):
        made = Preference(
            sample_id=line.sample_id,
            replicate=line.replicate,
            baseline=line.baseline or run.plan.baseline,
            candidate=line.candidate or run.plan.candidate,
            source="human",
            rater=name,
            preferred="tie" if line.preferred == BOTH_BAD else line.preferred,
            both_bad=line.preferred == BOTH_BAD,
        )
        _check_pair(where, made, run, pairs)
        first, _ = seen.setdefault(_key(made), (where, made))
        if first != where:
            said = f"{name} rated sample {made.sample_id!r} in line {first.rpartition(':')[2]} already"
            raise SharingError(f"{where}: {said}", fix="keep one of the two")
    if not seen:
        raise SharingError(f"{file} holds no ratings", fix="export them again from the report's rating mode")
    return tuple(made for _, made in seen.values())


def _check_pair(where: str, made: Preference, run: Run, pairs: dict[str, set[tuple[str, int]]]) -> None:
    """Refuse a pair that the run does not have; `pairs` keeps those of each candidate."""
    names = {checkpoint.name for checkpoint in run.plan.checkpoints} - {made.baseline}
    if made.baseline != run.plan.baseline:
        raise SharingError(
            f"{where}: the run's baseline is {run.plan.baseline!r}, not {made.baseline!r}", fix="correct the line"
        )
    if made.candidate not in names:
        raise SharingError(f"{where}: there is no candidate {made.candidate!r}", fix=f"use one of {', '.join(names)}")
    if made.candidate not in pairs:
        pairs[made.candidate] = {pair.key for pair in pairs_of(run, made.candidate)}
    if (made.sample_id, made.replicate) not in pairs[made.candidate]:
        raise SharingError(
            f"{where}: sample {made.sample_id!r} (replicate {made.replicate}) has no completion on both sides",
            fix="remove the line",
        )


def merge(earlier: Sequence[Preference], ratings: Sequence[Preference]) -> Merged:
    """Merge ratings into a run's preferences; a rating by the same person of the same pair replaces the earlier one."""
    kept = {_key(preference): preference for preference in earlier}
    new = sum(_key(rating) not in kept for rating in ratings)
    changed = sum(_key(rating) in kept and kept[_key(rating)] != rating for rating in ratings)
    merged = kept | {_key(rating): rating for rating in ratings}
    return Merged(tuple(merged.values()), new, changed, len(ratings) - new - changed)


def _key(preference: Preference) -> tuple[str, str, str, int, str, str]:
    return (
        preference.source,
        preference.rater,
        preference.sample_id,
        preference.replicate,
        preference.baseline,
        preference.candidate,
    )


def lines_of(file: Path) -> Iterator[tuple[int, str]]:
    """The lines of an exported file that are not empty, with their numbers.

    Raises:
        SharingError: it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SharingError(f"{file} cannot be read: {error.strerror}", fix="check the path") from None
    except UnicodeDecodeError:
        raise SharingError(
            f"{file} is not UTF-8 text", fix="export the ratings again from the report's rating mode"
        ) from None
    # Not splitlines: U+2028 within a JSON string ends no line.
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def lines_in(file: Path, run: Run, rater: str | None, form: type[AnyLine]) -> Iterator[tuple[str, AnyLine, str]]:
    """The lines of an export of this run, each with its place and its rater's name.

    Args:
        rater: the rater's name, instead of the one in the file.

    Raises:
        SharingError: the file cannot be read, or a line is wrong; the message names the file and the line.
    """
    for number, text in lines_of(file):
        where = f"{file}:{number}"
        try:
            line = form.model_validate_json(text)
        except ValidationError as error:
            raise SharingError(
                f"{where}: not a rating: {explain(error)}", fix="export the ratings again, or correct the line"
            ) from None
        if line.run != run.compared.evidence_digest:
            raise SharingError(
                f"{where}: rates another run, or an earlier state of this run",
                fix="import it into the run whose report was rated, or rate the current report: "
                f"evalharness report {run.path} --open",
            )
        name = (rater or line.rater).strip()
        if not name:
            raise SharingError(f"{where}: does not name the rater", fix="add --rater NAME")
        yield where, line, name
