"""The Hugging Face cache, and what transformers needs."""

import os
from importlib.metadata import version
from importlib.util import find_spec

from evalharness.backends.survey import Check, LocalModel, Report
from evalharness.prompting import guess_variant

NEEDS = ("torch", "transformers", "accelerate", "gguf", "peft")
INSTALL = "pip install 'evalharness[hf]'"
EXAMPLE = "hf/HuggingFaceTB/SmolLM2-135M"


class HfSurvey:
    """Cached models, packages, the device and the Hub."""

    example = (
        LocalModel(model=EXAMPLE, variant="base", evidence="an example"),
        LocalModel(model=f"{EXAMPLE}-Instruct", variant="instruct", evidence="an example"),
    )

    def models(self, report: Report) -> list[LocalModel]:
        """What the cache holds."""
        if find_spec("huggingface_hub") is None:
            return []
        from huggingface_hub import scan_cache_dir
        from huggingface_hub.errors import CacheNotFound

        try:
            repos = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
        except CacheNotFound:
            return []
        return [_from_name(f"hf/{repo.repo_id}", repo.size_on_disk) for repo in sorted(repos, key=lambda r: r.repo_id)]

    def checks(self) -> list[Check]:
        """The packages, the device, cached models, and whether downloads are allowed."""
        return [_packages(), _device(), self._cached(), _hub()]

    def _cached(self) -> Check:
        count = len(self.models(lambda _: None))
        if count:
            return Check(name="cached models", status="ok", found=f"{count} in the Hugging Face cache")
        fix = "no action needed; a model named hf/org/name is downloaded on first use"
        return Check(name="cached models", status="note", found="none in the Hugging Face cache", fix=fix)


def _from_name(model: str, size_bytes: int) -> LocalModel:
    variant = guess_variant(model)
    evidence = f"its name says {variant}" if variant else "its name does not say"
    return LocalModel(model=model, variant=variant, evidence=evidence, size_bytes=size_bytes)


def _packages() -> Check:
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        return Check(name="hf extra", status="missing", found=f"no {', '.join(missing)}", fix=INSTALL)
    versions = ", ".join(f"{name} {version(name)}" for name in NEEDS[:2])
    return Check(name="hf extra", status="ok", found=versions)


def _device() -> Check:
    if find_spec("torch") is None:
        return Check(name="device", status="note", found="unknown without torch", fix=INSTALL)
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        gpu = f"{torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return Check(name="device", status="ok", found=gpu)
    if torch.backends.mps.is_available():
        return Check(name="device", status="ok", found="Apple GPU (MPS)")
    fix = "no action needed; on a machine with a GPU, install the torch build for it"
    return Check(name="device", status="note", found=f"CPU with {torch.get_num_threads()} threads", fix=fix)


def _hub() -> Check:
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    result = (
        "offline: only cached models" if offline else "not tried; downloads are allowed (HF_HUB_OFFLINE is not set)"
    )
    return Check(name="Hugging Face Hub", status="note", found=result)
