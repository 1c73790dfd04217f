"""People's ratings from a report's blind mode, read and checked line by line.

A file with one invalid line is rejected as a whole: half of a person's ratings would be a biased selection.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from evalharness.errors import SharingError
from evalharness.preferences import pairs_of
from evalharness.records import Preference, Record, Side, explain
from evalharness.store import Run

BOTH_BAD = "both bad"


class RatingLine(Record):
    """One line that the report exports."""

    run: str
    """The evidence digest of the comparison whose report was rated."""
    sample_id: str
    replicate: int = Field(0, ge=0)
    baseline: str | None = None
    candidate: str | None = None
    """The two checkpoints; the run's own where they are left out."""
    preferred: Literal["baseline", "candidate", "tie", "both bad"]
    shown_first: Side | None = None
    rater: str = ""


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
    checked = _Checker(file, run, rater)
    ratings = tuple(checked.preference(number, line) for number, line in lines_of(file))
    if not ratings:
        raise SharingError(f"{file} holds no ratings", fix="export them again from the report's rating mode")
    return ratings


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


class _Checker:
    """Checks the lines of a file, and detects pairs rated twice."""

    def __init__(self, file: Path, run: Run, rater: str | None) -> None:
        self.file = file
        self.run = run
        self.rater = rater
        self.digest = run.compared.evidence_digest
        self.names = {checkpoint.name for checkpoint in run.plan.checkpoints}
        self.pairs: dict[str, set[tuple[str, int]]] = {}
        self.seen: dict[tuple[str, str, str, int, str, str], int] = {}

    def preference(self, number: int, text: str) -> Preference:
        """One line as a record."""
        line = self._parsed(number, text)
        self._check_run(number, line)
        self._check_pair(number, line)
        name = (self.rater or line.rater).strip()
        if not name:
            raise self._wrong(number, "does not name the rater", "add --rater NAME")
        made = Preference(
            sample_id=line.sample_id,
            replicate=line.replicate,
            baseline=line.baseline or self.run.plan.baseline,
            candidate=line.candidate or self.run.plan.candidate,
            source="human",
            rater=name,
            preferred="tie" if line.preferred == BOTH_BAD else line.preferred,
            both_bad=line.preferred == BOTH_BAD,
        )
        first = self.seen.setdefault(_key(made), number)
        if first != number:
            raise self._wrong(
                number, f"{made.rater} rated sample {made.sample_id!r} in line {first} already", "keep one of the two"
            )
        return made

    def _parsed(self, number: int, text: str) -> RatingLine:
        try:
            return RatingLine.model_validate_json(text)
        except ValidationError as error:
            raise self._wrong(
                number, f"not a rating: {explain(error)}", "export the ratings again, or correct the line"
            ) from None

    def _check_run(self, number: int, line: RatingLine) -> None:
        if line.run != self.digest:
            raise self._wrong(
                number,
                "rates another run, or an earlier state of this run",
                "import it into the run whose report was rated, or rate the current report: "
                f"evalharness report {self.run.path} --open",
            )

    def _check_pair(self, number: int, line: RatingLine) -> None:
        baseline, candidate = line.baseline or self.run.plan.baseline, line.candidate or self.run.plan.candidate
        if baseline != self.run.plan.baseline:
            raise self._wrong(
                number, f"the run's baseline is {self.run.plan.baseline!r}, not {baseline!r}", "correct the line"
            )
        if candidate not in self.names or candidate == baseline:
            raise self._wrong(
                number, f"there is no candidate {candidate!r}", f"use one of {', '.join(self.names - {baseline})}"
            )
        if candidate not in self.pairs:
            self.pairs[candidate] = {pair.key for pair in pairs_of(self.run, candidate)}
        if (line.sample_id, line.replicate) not in self.pairs[candidate]:
            raise self._wrong(
                number,
                f"sample {line.sample_id!r} (replicate {line.replicate}) has no completion on both sides",
                "remove the line",
            )

    def _wrong(self, number: int, problem: str, fix: str) -> SharingError:
        return SharingError(f"{self.file}:{number}: {problem}", fix=fix)
