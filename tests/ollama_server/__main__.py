"""The process: `python tests/ollama_server --port 0` says where it listens and serves until it is killed."""

import argparse
import json
import sys
from pathlib import Path

if not __package__:  # Started as a folder, only the folder itself is on the path.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from ollama_server.endpoints import Endpoints
from ollama_server.server import OllamaServer


def main() -> None:
    parser = argparse.ArgumentParser(description="A server that behaves like the recorded Ollama.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", required=True, help="file that takes a JSON line for every request, load and unload")
    parser.add_argument("--settings", default="{}", help="JSON object; the names and defaults are in SETTINGS")
    arguments = parser.parse_args()
    server = OllamaServer(arguments.port, Endpoints, json.loads(arguments.settings), Path(arguments.state))
    sys.stdout.write(f"listening on 127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
