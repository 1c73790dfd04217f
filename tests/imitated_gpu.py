"""A GPU imitated on the CPU: where each tensor would be, what would meet across devices, when the host would wait.

Values are those of the CPU; only `tensor.device` is imitated. It tests neither kernels nor speed.
"""

import re
from collections import Counter

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

CPU = torch.device("cpu")
PLACE = re.compile(r"(cpu|cuda)(:\d)?$")
READING = {"item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__", "__contains__"}
"""What returns numbers to the host."""
COPYING = {"tensor", "as_tensor", "to", "copy_"}
"""What copies from one device to another, and waits unless it is told not to."""


class ImitatedGpu(TorchFunctionMode):
    """Within it, tensors may be on `cuda:0` and `cuda:1`. Raises RuntimeError where tensors of two devices meet."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        """How often the host would wait for a GPU, by what it called."""

    def __enter__(self):
        # A mode does not see what is read of a tensor, and a generator is a class.
        torch.Tensor.device = property(place_of)
        self._generator, torch.Generator = torch.Generator, lambda device: self._generator("cpu")
        return super().__enter__()

    def __exit__(self, *error):
        del torch.Tensor.device
        torch.Generator = self._generator
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if func is torch.device:
            return func(*args, **kwargs)
        leaves = tree_leaves((args, kwargs))
        places = [_place(leaf) for leaf in leaves if is_place(leaf)]
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        place = places[0] if places else CPU if name in ("cpu", "numpy") else self._meeting(name, args, tensors)
        self._count(name, args, place, tensors, waits=not kwargs.get("non_blocking"))
        args, kwargs = tree_map_only(
            (torch.device, str), lambda leaf: "cpu" if is_place(leaf) else leaf, (args, kwargs)
        )
        out = func(*args, **kwargs)
        if tensors and out is tensors[0] and place != place_of(out):
            out = out.clone()  # Nothing had to be copied on the CPU.
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                leaf.imitated = place
        return out

    def _meeting(self, name, args, tensors) -> torch.device:
        """The one device of these tensors; single numbers and indices may also be on the CPU."""
        if name == "copy_":
            return place_of(args[0])
        free = tree_leaves(args[1]) if name in ("__getitem__", "__setitem__") else []
        places = {
            place_of(one)
            for one in tensors
            if not (place_of(one) == CPU and (one.dim() == 0 or any(one is other for other in free)))
        } or {CPU}
        if len(places) > 1:
            raise RuntimeError(f"{name}: tensors on {' and '.join(sorted(map(str, places)))}")
        return places.pop()

    def _count(self, name, args, place, tensors, *, waits) -> None:
        here = place_of(tensors[0]) if tensors else CPU
        if name in ("__getitem__", "__setitem__") and here != CPU:
            for one in tree_leaves(args[1]):
                if isinstance(one, list | int) and isinstance(args[1], list | tuple) and _has_list(args[1]):
                    self.waits[f"{name} of a list"] += 1
                    break
                if isinstance(one, torch.Tensor) and (one.dtype == torch.bool or place_of(one) == CPU):
                    self.waits[f"{name} of a mask or of the host"] += 1
                    break
        elif (name in READING and here != CPU) or (name in COPYING and waits and here != place):
            self.waits[name] += 1


def _has_list(index) -> bool:
    return isinstance(index, list) or any(isinstance(one, list) for one in index)


def _place(leaf: torch.device | str) -> torch.device:
    place = torch.device(leaf)
    return torch.device("cuda:0") if place.type == "cuda" and place.index is None else place


def is_place(leaf: object) -> bool:
    """Whether an argument names a device."""
    return isinstance(leaf, torch.device) or (isinstance(leaf, str) and bool(PLACE.match(leaf)))


def place_of(tensor: torch.Tensor) -> torch.device:
    """Where it would be."""
    return getattr(tensor, "imitated", CPU)


def put(module: torch.nn.Module, place: str) -> None:
    """Move a module's weights."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.imitated = _place(place)
