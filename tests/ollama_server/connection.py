"""A connection: how a reply is written to it."""

import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any

from ollama_server.errors import compact
from ollama_server.server import OllamaServer
from ollama_server.settings import Json


class Connection(BaseHTTPRequestHandler):
    """Writes replies with the headers that the real server sends."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: OllamaServer

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the journal."""

    def head(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Date", self.date_time_string())
        self.end_headers()

    def plain(self, status: int, text: str, charset: str = "", **headers: str) -> None:
        self.head(status, **headers, Content_Type=f"text/plain{charset}", Content_Length=str(len(text)))
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def json(self, status: int, payload: Json, cut: bool = False) -> None:
        content = compact(payload).encode()
        content = content[: len(content) // 2] if cut else content
        kind = "application/json; charset=utf-8"
        if len(content) <= 2048:
            self.head(status, Content_Type=kind, Content_Length=str(len(content)))
            self.wfile.write(content)
            return
        self.head(status, Content_Type=kind, Transfer_Encoding="chunked")
        self.chunk(content)
        self.chunk(b"")

    def chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def lines(self, payloads: Iterable[Json]) -> None:
        """Lines of a stream, each after the time that a token takes."""
        wait = self.server.settings["token_seconds"]
        for payload in payloads:
            if wait:
                self.wfile.flush()
                time.sleep(wait)
            self.chunk(compact(payload).encode() + b"\n")

    def hang_up(self) -> None:
        """End the connection here, whatever was promised."""
        self.wfile.flush()
        self.close_connection = True
