"""What the OpenAI-compatible server at OPENAI_BASE_URL serves."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from evalharness.backends.survey import Check, LocalModel, Report
from evalharness.errors import BackendError
from evalharness.prompting import guess_variant

if TYPE_CHECKING:
    from evalharness.backends.server_dialects import Json
    from evalharness.backends.server_wire import Server


class ServerSurvey:
    """Looked at only where an address is set: there is no usual one."""

    example = None

    def models(self, report: Report) -> list[LocalModel]:
        """What it serves; none where it does not answer."""
        if not _is_set() or find_spec("httpx") is None:
            return []
        from evalharness.backends.server_dialects import models_of

        try:
            with _server() as server:
                return [_listed(entry) for entry in models_of(server) if entry.get("id")]
        except BackendError as error:
            report(error)
            return []

    def checks(self) -> list[Check]:
        """The kind of server and its models."""
        if not _is_set():
            return []
        if find_spec("httpx") is None:
            fix = "pip install 'evalharness[server]'"
            return [Check(name="server", status="note", found="httpx is not installed", fix=fix)]
        from evalharness.backends.server_dialects import models_of, recognized, version_of

        try:
            with _server() as server:
                listed = models_of(server)
                dialect = recognized(server, listed)
                shown = f"{dialect.named(version_of(server, dialect))} at {server.url}"
        except BackendError as error:
            return [Check(name="server", status="note", found=error.problem, fix=error.fix)]
        names = ", ".join(f"server/{entry.get('id')}" for entry in listed[:4])
        return [Check(name="server", status="ok", found=f"{shown}: {names}" if names else shown)]


def _is_set() -> bool:
    return bool(os.environ.get("OPENAI_BASE_URL"))


@contextmanager
def _server() -> "Iterator[Server]":
    from evalharness.backends.server_requests import ServerOptions
    from evalharness.backends.server_wire import Server
    from evalharness.backends.wire import Busy

    with closing(Server(None, key_variable=ServerOptions().key_env, timeout=5.0)) as server:
        try:
            yield server
        except Busy as error:
            raise server.failed(error) from None


def _listed(entry: "Json") -> LocalModel:
    variant = guess_variant(str(entry["id"]))
    return LocalModel(
        model=f"server/{entry['id']}",
        variant=variant,
        evidence=f"its name says {variant}" if variant else "its name does not say",
        context_length=entry.get("max_model_len"),
        served=True,
    )
