"""The page's stylesheet and script: plain files of the package, joined in order, nothing built.

The scripts share one module scope, in which a name can be declared once only; each file keeps to one matter.
"""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

STYLES = ("tokens", "page", "charts", "trend", "samples", "browser", "rating", "print")
SCRIPTS = (
    "dom", "text", "diff", "data", "filters", "list", "detail", "browser", "rating", "rating_view", "keys", "main",
)  # fmt: skip


@dataclass(frozen=True)
class Assets:
    """What is put into every page, with the policy that allows it and nothing else."""

    style: str
    script: str
    policy: str


@cache
def read_assets() -> Assets:
    """Read the files once; the policy names their digests, so that no other script or style can run."""
    style = _joined(STYLES, "css")
    script = _joined(SCRIPTS, "js")
    policy = (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return Assets(style, script, policy)


def _joined(names: tuple[str, ...], ending: str) -> str:
    folder = files("evalharness.report") / "static"
    return "\n".join((folder / f"{name}.{ending}").read_text(encoding="utf-8") for name in names)


def _source(text: str) -> str:
    """The text as a policy names it: by its digest."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
