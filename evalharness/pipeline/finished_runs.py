"""What can be done again with a finished run: score, compare, judge by a gate and draw."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from evalharness.compare.pairing import Side, narrowed, pair_runs, sides_of
from evalharness.config import TokenSettings, read_gate, read_tables
from evalharness.errors import ConfigError, MissingExtra
from evalharness.gate.presets import fine_tune
from evalharness.pipeline.comparing import apply_gate, compare_and_report, finish, load_compared, recompare_locked
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.running import new_path
from evalharness.records import GateRule, Manifest
from evalharness.report import render_html
from evalharness.store import Run, RunStore, uncollected
from evalharness.store.run_store import make_manifest


def load_run(path: str | Path) -> Run:
    """Read a run directory."""
    return RunStore(Path(path)).load()


def rescore(path: Path, scorer: Mapping[str, dict[str, JsonValue]] | None = None, source: Path | None = None) -> Run:
    """Score a run's completions again, then compare and report.

    Args:
        scorer: settings of scorers that are changed from now on, by name.
        source: a TOML file whose `[scorer.NAME]` tables count from now on; only with it, scorers that are Python files
            are run.
    """
    store = RunStore(path)
    with store.lock():
        config = store.read_config()
        tables = {**config.scorer, **(read_tables(source).scorer if source else {}), **(scorer or {})}
        config = config.model_copy(update={"scorer": tables})
        config = config.of_file(source) if source else config
        return finish(store, config, store.read_plan())


def recompare(path: Path, margin: float | None = None) -> Run:
    """Compare a run's scores again and keep the result; the report is written again where it changed.

    Args:
        margin: within which rates are equivalent, from now on.
    """
    store = RunStore(path)
    with store.lock():
        if margin is not None:
            settings = store.read_config().compare.model_copy(update={"margin": margin})
            store.keep_settings("compare", settings.model_dump(mode="json"))
        return recompare_locked(store)


def regate(path: Path, config: Path | None = None) -> Run:
    """Judge a finished run by gate rules and keep the verdict.

    Args:
        config: a TOML file with `[[gate]]` rules; those that the run was started with by default.

    Raises:
        ConfigError: there are no rules, or one that cannot be judged on this run.
        StoreError: the run was not compared since its outcomes or scores changed.
    """
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        rules = _rules_of(config, loaded) if config else store.read_config().gate
        if not rules:
            raise ConfigError(
                f"{path} was started without gate rules", fix="give a file with rules: --config evalharness.toml"
            )
        judged = apply_gate(store, loaded, rules, str(config or path / "manifest.json"))
        if not store.has_report():
            store.write_report(render_html(judged))
        return judged


def _rules_of(path: Path, run: Run) -> tuple[GateRule, ...]:
    given = read_gate(path)
    return (*(fine_tune(run.compared.metrics, run.plan.suites) if given.preset else ()), *given.rules)


def redraw(path: Path, *, all_samples: bool = False) -> Run:
    """Write a run's report again."""
    store = RunStore(path)
    with store.lock():
        loaded = load_compared(store)
        store.write_report(render_html(loaded, readable=loaded if all_samples else None))
        return loaded


def read_tokens(
    path: Path,
    settings: TokenSettings,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Compare the checkpoints of a finished run token by token; see `reading_tokens.read_tokens`."""
    try:
        from evalharness.pipeline.reading_tokens import read_tokens as read
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"reading tokens needs {error.name}, which is not installed", fix="pip install 'evalharness[hf]'"
        ) from None
    read(path, **settings.model_dump(), baseline=baseline, candidate=candidate, progress=progress)
    return load_run(path)


@uncollected()
def compare_runs(
    paths: Sequence[Path], *, out: Path | None = None, baseline: str | None = None, candidate: str | None = None
) -> Run:
    """Compare a checkpoint of the first run with one of each other run, in a run directory of its own.

    Args:
        paths: the baseline's run, then the candidates'.
        baseline: the checkpoint of the first run; its candidate by default.
        candidate: the checkpoint of the other runs; their candidates by default.

    Raises:
        StoreError: a comparison would be invalid, or `out` already holds a run.
    """
    store = RunStore(out or new_path([path.resolve().name for path in paths]))
    # What was read is let go before the pairing is read: both at once would be twice the memory.
    write = _pairing_writer(paths, baseline, candidate)
    with store.lock(create=True):
        store.refuse_existing(resume=False)
        write(store)
        del write
        return compare_and_report(store, store.read_plan(), store.read_config().gate)


def _pairing_writer(paths: Sequence[Path], baseline: str | None, candidate: str | None) -> Callable[[RunStore], None]:
    """Read and pair the runs; what comes back writes the pairing into a run directory."""
    sides = sides_of(
        [_load_side(path, candidate if n else baseline) for n, path in enumerate(paths)], baseline, candidate
    )
    pairing, manifest = pair_runs(sides[0], sides[1:]), _paired_manifest(sides)
    # Where two sides have a scorer, its version is the same, and so is the rest.
    scorers = {scorer.name: scorer for side in sides for scorer in side.run.scorers}

    def write(store: RunStore) -> None:
        store.start(manifest, pairing.plan, resume=False)
        with store.appending() as outcomes:
            for event in pairing.events:
                outcomes.append(event)
        store.write_scores(pairing.scores, scorers.values())

    return write


def _load_side(path: Path, checkpoint: str | None) -> Run:
    run = load_run(path)
    return narrowed(run, checkpoint or run.plan.candidate)


def _paired_manifest(sides: Sequence[Side]) -> Manifest:
    """Where the runs came from: the configuration of the candidate, with the checkpoints of all."""
    config = (
        RunStore(sides[1].run.path)
        .read_config()
        .model_copy(
            update={
                "checkpoints": tuple(side.resolved.checkpoint for side in sides),
                "baseline": sides[0].name,
                "candidate": sides[1].name,
                "aa_test": None,
            }
        )
    )
    runs = tuple(side.run.path.resolve().name for side in sides)
    return make_manifest(config).model_copy(update={"paired_from": runs})
