"""The types of the table's columns: masks, codes, and labels as numbers."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Codes = NDArray[np.int32]
Reason = Literal["failed", "unscored", "unclear", "not applicable", "not generated"]

NOT_ASKED, NOT_GENERATED, FAILED, COMPLETED = range(4)
"""The state of a cell's request; a cell has none if its checkpoint has fewer replicates."""
NO_SCORE, UNSCORED, CRASHED, SCORED, UNCLEAR = range(5)
"""The state of a cell's score."""
STATUS = {"unscored": UNSCORED, "failed": CRASHED, "scored": SCORED, "unclear": UNCLEAR}
STATUSES: tuple[Literal["scored", "unclear", "unscored", "failed"] | None, ...] = (
    None,
    "unscored",
    "failed",
    "scored",
    "unclear",
)
"""The same, by their numbers."""
REASONS: tuple[Reason, ...] = ("not generated", "failed", "unscored", "unclear", "not applicable")
HAS_VALUE = -1
"""Instead of a position in `REASONS`: the cell has a value, or had no request."""


@dataclass
class Labels:
    """One label a cell, as its position in `names`; -1 if there is none."""

    codes: Codes
    """Shape (n_checkpoints, n_replicates, n_samples)."""
    names: list[str] = field(default_factory=list)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def put(self, cell: int, name: str) -> None:
        """Set the label of a cell, given by its position in the flattened table."""
        place = self._places.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        self.codes.reshape(-1)[cell] = place

    def are(self, name: str) -> Mask:
        """Which cells have a label, in the shape of `codes`."""
        mask: Mask = self.codes == self._places.get(name, len(self.names))
        return mask

    def of(self, *cell: int) -> str | None:
        """The label of one cell."""
        code = int(self.codes[cell])
        return None if code < 0 else self.names[code]

    def counted(self, where: Any) -> Counter[str]:
        """How often each label occurs in a part of the table (any index of it)."""
        codes = self.codes[where]
        counts = np.bincount(codes[codes >= 0].ravel(), minlength=len(self.names))
        return Counter({name: int(count) for name, count in zip(self.names, counts, strict=True) if count})
