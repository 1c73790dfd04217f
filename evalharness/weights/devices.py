"""Devices, floating-point types, and detection of out-of-memory errors."""

import gc

import psutil  # type: ignore[import-untyped]  # A dependency of accelerate.
import torch

from evalharness.errors import BackendError
from evalharness.formatting import format_bytes

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
        device = torch.device(asked)
    except RuntimeError:
        raise BackendError(f"{where}: {asked!r} is not a device", fix="use cuda, cuda:1, mps or cpu") from None
    if not device_is_there(device.type):
        raise BackendError(f"{where}: this machine has no {device.type.upper()} device", fix="leave out device")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise BackendError(f"{where}: there is no {asked}", fix=f"the last one here is cuda:{last}; leave out device")
    return asked


def device_is_there(kind: str) -> bool:
    """Whether this machine has a device of a kind such as `cuda`."""
    if kind == "cuda":
        return bool(torch.cuda.is_available())
    return kind == "cpu" or (kind == "mps" and bool(torch.backends.mps.is_available()))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a library's error means out of memory."""
    return any(words in str(error) for words in OUT_OF_MEMORY)


def available_memory(device: str, *, spread: bool = False) -> int | None:
    """Bytes that weights could take on a device, or on all GPUs together; None if unknown."""
    if device.startswith("cuda"):
        gpus = range(torch.cuda.device_count()) if spread else [torch.device(device)]
        return int(sum(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus))
    if device != "cpu":
        return None
    return int(psutil.virtual_memory().available) + int(psutil.swap_memory().free)


def refuse_too_large(name: str, needed: int, device: str, *, spread: bool = False) -> None:
    """Loading what does not fit takes minutes, and on a CPU the system may end the process.

    Raises:
        BackendError: the weights `name` need more bytes than there are.
    """
    free = available_memory(device, spread=spread)
    if free is not None and needed > free:
        raise BackendError(
            f"the weights of {name} need {format_bytes(needed)}, and {device} has {format_bytes(free)} free",
            fix="-M dtype=bfloat16, -M quantization=4bit, -M device_map=auto for several GPUs, or another checkpoint",
        )


def free_memory(device: str) -> None:
    """Free unreferenced device memory."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
