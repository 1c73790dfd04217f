"""Rows to samples: an id for each, one group for equal prompts, and the same checks as for a suite on disk."""

import hashlib
import json
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from evalharness.errors import SuiteError
from evalharness.records import Sample
from evalharness.suites import sample_from
from evalharness.suites.import_prompts.formats import Fields, Format, first_filled
from evalharness.suites.import_prompts.rows import Problem, Row

LONGEST_ID = 36
"""Characters of an id made from a prompt."""


@dataclass(frozen=True)
class Converted:
    """The samples of a file, the invalid rows, and notes on unusual rows."""

    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def convert(rows: Sequence[Row], form: Format, *, prefix: str) -> Converted:
    """Make a sample of every row, with ids that start with `prefix`, by which suites can share a run.

    An exact duplicate of a row is left out. Rows with the same prompt are put into one group, because their
    completions are not independent. An id shared by two different rows is an error.
    """
    seen: dict[str, _Found] = {}
    problems: list[Problem] = []
    repeated = 0
    for sample in _samples(rows, form, prefix):
        if isinstance(sample, Problem):
            problems.append(sample)
            continue
        earlier = seen.get(sample.sample.id)
        if earlier is None:
            seen[sample.sample.id] = sample
        elif earlier.sample == sample.sample:
            repeated += 1
        elif sample.id_is_made:
            sample = sample.numbered(taken=seen)
            seen[sample.sample.id] = sample
        else:
            problems.append(Problem(sample.place, f"has the id of {earlier.place}", "give each row its own id"))
    samples, grouped = _grouped([result.sample for result in seen.values()])
    return Converted(samples, tuple(problems), tuple(_said(repeated, grouped)))


@dataclass(frozen=True)
class _Found:
    """A sample, where it was found, and whether its id was made from its prompt."""

    place: str
    sample: Sample
    id_is_made: bool

    def numbered(self, taken: Container[str]) -> "_Found":
        """The same under the first free id of the form `ID-2`, `ID-3`."""
        free = next(name for number in count(2) if (name := f"{self.sample.id}-{number}") not in taken)
        group = free if self.sample.group == self.sample.id else self.sample.group
        return replace(self, sample=self.sample.model_copy(update={"id": free, "group": group}))


def _samples(rows: Sequence[Row], form: Format, prefix: str) -> Iterator[_Found | Problem]:
    for row in rows:
        try:
            filled = next((name for name in form.left_out if first_filled(row.data, name)), None)
            if filled:
                raise ValueError(f"{filled} is filled, but suites hold only text")
            fields = {name: value for name, value in form.read(row.data).items() if value is not None}
            json.dumps(fields, ensure_ascii=False).encode()
            own = first_filled(row.data, *form.id_columns)
            sample = sample_from(fields | {"id": prefix + (own or _made_id(fields, row, form))}, row.place)
            yield _Found(row.place, sample, id_is_made=not own)
        except SuiteError as error:
            problem = error.problem.removeprefix(f"{row.place}: ").removeprefix(f"{row.place} ")
            yield Problem(row.place, problem, error.fix)
        except UnicodeEncodeError:
            yield Problem(row.place, "an unpaired surrogate is not valid text", "replace that character")
        except ValueError as error:
            yield Problem(row.place, str(error), "correct that field")


def _made_id(fields: Fields, row: Row, form: Format) -> str:
    """An id made from the prompt, which stays the same when rows are added or moved.

    Rows of a plain table are called by their first words. A prompt that should be refused is not quoted in its id,
    which stays in redacted reports.
    """
    asked: Any = fields.get("prompt") or fields.get("messages")
    if form.needs:
        return hashlib.sha256(str(asked).encode()).hexdigest()[:12]
    said = asked if isinstance(asked, str) else str(asked[-1].get("content", "")) if asked else ""
    words = "" if fields.get("expected") == "refuse" else slug(said)
    return words or row.place.replace(" ", "-")


def slug(text: str) -> str:
    """The first words of a text as an id.

    >>> slug("What is the capital of Australia, and since when is it?"), slug("  ?! ")
    ('what-is-the-capital-of-australia-and', '')
    """
    words = re.sub(r"[\W_]+", "-", text[:400].lower()).strip("-")
    return words if len(words) <= LONGEST_ID else words[: LONGEST_ID + 1].rpartition("-")[0] or words[:LONGEST_ID]


def _grouped(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], int]:
    """The samples, where those of one prompt share the group of the first, and how many were moved for it."""
    first: dict[str, str] = {}
    result, moved = [], 0
    for sample in samples:
        group = first.setdefault(sample.prompt, sample.group)
        alone = sample.group == sample.id and group != sample.group
        moved += alone
        result.append(sample.model_copy(update={"group": group}) if alone else sample)
    return tuple(result), moved


def _said(repeated: int, grouped: int) -> Iterator[str]:
    if repeated:
        yield f"duplicate rows left out: {repeated}"
    if grouped:
        yield f"samples grouped with another sample of the same prompt: {grouped}"
