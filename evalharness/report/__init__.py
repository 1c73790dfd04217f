"""The report: one self-contained HTML file that needs no network and runs no script.

`page.py` settles everything that is shown, the template only prints it. Whatever is printed passes through `visible`
and is escaped, so that a completion cannot act on the page, nor deceive its reader with characters nobody sees.
"""

import hashlib
from base64 import b64encode
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evalharness.report.page import make_page
from evalharness.store import Run
from evalharness.text import visible


def render_html(run: Run) -> str:
    """Render the report of a compared run; the same run gives the same bytes.

    Raises:
        StoreError: the run has not been compared yet.
    """
    page = make_page(run)
    style = files("evalharness.report").joinpath("style.css").read_text(encoding="utf-8")
    return _environment().get_template("report.html.j2").render(page=page, style=Markup(style), policy=_policy(style))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("evalharness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(style: str) -> str:
    """Allows this one stylesheet and nothing else: no script, no request, no frame, no form."""
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
