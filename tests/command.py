"""The command as a user types it: started anew (test_cli), or forked from a process that has imported it: faster."""

import atexit
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

EVALHARNESS = Path(sys.executable).parent / "evalharness"
SECONDS = 900
"""After which a command is ended."""
FORKS = """
import gc, json, os, signal, sys
import evalharness.cli, httpx, numpy.ma
import evalharness.backends.replay, evalharness.cli.finished_runs, evalharness.cli.gating, evalharness.cli.running
import evalharness.cli.sharing, evalharness.export, evalharness.scorers.refusal.reading, evalharness.scorers.style

def next_order():
    for line in sys.stdin:
        order = json.loads(line)
        if (child := os.fork()) == 0:
            return order
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()

gc.freeze()
order = next_order()
os.chdir(order["cwd"])
os.environ.clear()
os.environ.update(order["env"])
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
for number, path in ((1, order["stdout"]), (2, order["stderr"])):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
signal.setitimer(signal.ITIMER_REAL, order["seconds"])
sys.argv = ["evalharness", *order["arguments"]]
evalharness.cli.main()
"""


def anew(arguments, cwd, env):
    """Run the installed command."""
    command = [str(EVALHARNESS), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=SECONDS)


def forked(arguments, cwd, env):
    """Run the command without importing it again, which takes longer than most commands do."""
    with TemporaryDirectory() as folder:
        written = {name: Path(folder) / name for name in ("stdout", "stderr")}
        order = {"arguments": arguments, "cwd": cwd, "env": env, "seconds": SECONDS, **written}
        process = _forks()
        process.stdin.write(json.dumps(order, default=str) + "\n")
        process.stdin.flush()
        returned = process.stdout.readline()
        assert returned, f"the process to fork from ended during evalharness {arguments}"
        return subprocess.CompletedProcess(
            arguments, int(returned), **{name: path.read_text() for name, path in written.items()}
        )


@cache
def _forks():
    """The process to fork from."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)
    return process


START = forked if sys.platform == "linux" else anew


def call(*arguments, cwd, env=None, code=0, start=START):
    """Run the command and check its exit code; nothing it prints may be a traceback."""
    result = start([*map(str, arguments)], cwd, {**os.environ, **(env or {})})
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result


def refused(*arguments, cwd, env=None, start=START):
    """The problem and the fix of a command that ends with 2."""
    result = call(*arguments, cwd=cwd, env=env, code=2, start=start)
    assert result.stdout == ""
    match = re.fullmatch(r"Error: (.+)\n  Fix: (.+)\n", result.stderr)
    assert match, result.stderr
    return match.groups()
