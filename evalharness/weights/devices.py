"""Devices, floating-point types, and detection of out-of-memory errors."""

import gc

import torch

from evalharness.errors import BackendError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""The messages of CUDA and MPS, the CPU and cuBLAS."""


def best_device() -> str:
    """CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def default_dtype(device: str) -> str:
    """bfloat16 on CUDA, float32 elsewhere."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def device_name(device: str) -> str:
    """The device, and which GPU it is."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device


def choose_device(asked: str | None, where: str) -> str:
    """The requested device, or the best available.

    Raises:
        BackendError: this machine has no such device; the message begins with `where`.
    """
    if asked is None:
        return best_device()
    try:
        kind = torch.device(asked).type
    except RuntimeError:
        raise BackendError(f"{where}: {asked!r} is not a device", fix="use cuda, cuda:1, mps or cpu") from None
    if not device_is_there(kind):
        raise BackendError(f"{where}: this machine has no {kind.upper()} device", fix="leave out device")
    return asked


def device_is_there(kind: str) -> bool:
    """Whether this machine has a device of a kind such as `cuda`."""
    if kind == "cuda":
        return bool(torch.cuda.is_available())
    return kind == "cpu" or (kind == "mps" and bool(torch.backends.mps.is_available()))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a library's error means out of memory."""
    return any(words in str(error) for words in OUT_OF_MEMORY)


def free_memory(device: str) -> None:
    """Free unreferenced device memory."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
