"""One sentence instead of a traceback where a library cannot read a checkpoint."""

from pathlib import Path
from types import TracebackType

import torch
from safetensors import SafetensorError

from evalharness.errors import BackendError, EvalHarnessError

OURS = Path(__file__).parent.parent


class reading:
    """Turn any error of the libraries into one sentence if a checkpoint cannot be loaded.

    A wrong value can raise any type, including a bare `Exception` from Rust. So a library's error is recognised by
    where it was raised, not by its type: an error raised by our own code is a bug and keeps its traceback.

    Raises:
        BackendError: it is damaged or of an unknown kind, or its weights do not fit into memory.
    """

    def __init__(self, name: object) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            raise BackendError(
                f"the weights of {self.name} do not fit into memory",
                fix="use dtype=bfloat16, device=cpu or a smaller checkpoint",
            ) from None
        if isinstance(error, Exception) and not isinstance(error, EvalHarnessError) and not _is_ours(error):
            said = " ".join(str(error).split())[:300]
            raise BackendError(
                f"{self.name} cannot be loaded: {kind.__name__ if kind else ''}: {said}",
                fix="check that its files are complete and that this version of transformers supports it",
            ) from None


def _is_ours(error: Exception) -> bool:
    """Whether a line of this package raised it, rather than a library's."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    raised_in = Path(place.tb_frame.f_code.co_filename) if place is not None else OURS
    # Compiled code has no frame, so a call of it from here is the innermost line; these are what it raises.
    return raised_in.is_relative_to(OURS) and not isinstance(error, OSError | RuntimeError | SafetensorError)
