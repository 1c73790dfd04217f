"""Every request becomes exactly one outcome, whatever a backend does. The backends here are what a plugin could be."""

import pytest
from comparing import make_plan

from evalharness.errors import BackendError
from evalharness.pipeline.generating import generate
from evalharness.records import Completion, Failure, Notice
from evalharness.store import RunStore

PLAN = make_plan(["a", "b", "c", "d"])


class Plugin:
    """Answers with the sample's id; `log` is told of each opening, batch and closing."""

    def __init__(self, checkpoint, log):
        self.name, self.log = checkpoint.name, log
        log.append(f"open {self.name}")

    def generate(self, requests):
        self.log.append(f"{self.name} {' '.join(request.sample_id for request in requests)}")
        for request in requests:
            yield from self.answer(request)

    def answer(self, request):
        yield Completion(request_id=request.id, text=request.sample_id, finish_reason="stop")

    def close(self):
        self.log.append(f"close {self.name}")


class CrashesOnOne(Plugin):
    def answer(self, request):
        if request.sample_id == "s1":
            raise ZeroDivisionError("a defect of the plugin")
        yield from super().answer(request)


class ForgetsOne(Plugin):
    def answer(self, request):
        if request.sample_id != "s1":
            yield from super().answer(request)


class AnswersTwice(Plugin):
    def answer(self, request):
        yield from super().answer(request)
        yield from super().answer(request)


class LosesItsServer(Plugin):
    def answer(self, request):
        if request.sample_id == "s2":
            raise BackendError("the server is gone", fix="start it again")
        yield from super().answer(request)


class FailsOnce(Plugin):
    kind = "server"

    def answer(self, request):
        if request.sample_id == "s1":
            yield Failure(request_id=request.id, kind=self.kind, message="busy")
        else:
            yield from super().answer(request)


class Refuses(FailsOnce):
    kind = "prompt_too_long"


class CrashesAfterAnswering(Plugin):
    def answer(self, request):
        yield from super().answer(request)
        raise RuntimeError("a defect in the plugin's tidying up")


class IsInterrupted(Plugin):
    def answer(self, request):
        if request.sample_id == "s2":
            raise KeyboardInterrupt
        yield from super().answer(request)


class FailsAlone(Plugin):
    def generate(self, requests):
        for request in requests:
            if len(requests) == 1 and request.sample_id == "s3":
                yield Failure(request_id=request.id, kind="server", message="busy")
            else:
                yield from self.answer(request)


class DependsOnTheBatch(Plugin):
    def generate(self, requests):
        yield Notice(checkpoint=self.name, kind="batch", message=f"batches of {len(requests)}")
        for request in requests:
            text = "alone" if request.sample_id == "s3" and len(requests) == 1 else request.sample_id
            yield Completion(request_id=request.id, text=text, finish_reason="stop")


def run(path, plugin=Plugin, **options):
    """Generate `PLAN` into a run directory; its store and what the backends were asked for."""
    store, log = RunStore(path), []
    with store.lock(create=True):
        generate(PLAN, store, lambda checkpoint: plugin(checkpoint, log), **options)
    return store, log


def outcomes(store, checkpoint="old"):
    result = store.read_outcomes()
    return {request.sample_id: result.get(request.id) for request in PLAN.requests if request.checkpoint == checkpoint}


def kinds(store):
    return {
        sample: outcome.kind if isinstance(outcome, Failure) else outcome.text
        for sample, outcome in outcomes(store).items()
    }


def test_one_checkpoint_is_open_at_a_time(tmp_path):
    _, log = run(tmp_path)
    assert log == ["open old", "old s0 s1 s2 s3", "close old", "open new", "new s0 s1 s2 s3", "close new"]


def test_a_crash_takes_only_the_request_that_causes_it(tmp_path):
    store, log = run(tmp_path, CrashesOnOne)
    assert kinds(store) == {"s0": "s0", "s1": "error", "s2": "s2", "s3": "s3"}
    assert outcomes(store)["s1"].message == "ZeroDivisionError: a defect of the plugin"
    assert log[:6] == ["open old", "old s0 s1 s2 s3", "old s1", "old s2", "old s3", "close old"]


def test_an_answer_is_kept_where_the_crash_comes_after_it(tmp_path):
    store, _ = run(tmp_path, CrashesAfterAnswering)
    assert kinds(store) == {"s0": "s0", "s1": "s1", "s2": "s2", "s3": "s3"}
    assert sum(isinstance(event, Completion) for event in store.read_events()) == len(PLAN.requests)


def test_an_interruption_keeps_what_is_there_and_closes_the_backend(tmp_path):
    store, log = RunStore(tmp_path), []
    with pytest.raises(KeyboardInterrupt), store.lock(create=True):
        generate(PLAN, store, lambda checkpoint: IsInterrupted(checkpoint, log))
    assert list(store.read_outcomes()) == [request.id for request in PLAN.requests[:2]]
    assert log == ["open old", "old s0 s1 s2 s3", "close old"]


def test_a_request_without_an_outcome_is_a_failure(tmp_path):
    store, _ = run(tmp_path, ForgetsOne)
    assert kinds(store) == {"s0": "s0", "s1": "missing", "s2": "s2", "s3": "s3"}


def test_a_second_outcome_for_a_request_is_an_error_and_the_first_stays(tmp_path):
    with pytest.raises(BackendError, match="a second or unrequested outcome"):
        run(tmp_path, AnswersTwice)
    assert outcomes(RunStore(tmp_path))["s0"].text == "s0"


def test_where_going_on_is_pointless_the_run_ends_with_what_it_has(tmp_path):
    log = []
    store = RunStore(tmp_path)
    with pytest.raises(BackendError, match="the server is gone"), store.lock(create=True):
        generate(PLAN, store, lambda checkpoint: LosesItsServer(checkpoint, log))
    assert list(store.read_outcomes()) == [request.id for request in PLAN.requests[:2]]
    assert log[-1] == "close old"


def test_a_second_run_generates_only_what_is_missing(tmp_path):
    with pytest.raises(BackendError):
        run(tmp_path, LosesItsServer)
    _, log = run(tmp_path)
    assert log == ["open old", "old s2 s3", "close old", "open new", "new s0 s1 s2 s3", "close new"]
    _, log = run(tmp_path)
    assert log == []


@pytest.mark.parametrize(("plugin", "asked_again"), [(FailsOnce, True), (Refuses, False), (CrashesOnOne, True)])
def test_a_failure_that_may_pass_is_tried_again_and_another_is_not(tmp_path, plugin, asked_again):
    run(tmp_path, plugin)
    store, log = run(tmp_path)
    assert ("old s1" in log) == asked_again
    assert isinstance(outcomes(store)["s1"], Completion) == asked_again


def test_the_determinism_check_names_what_changed_and_is_made_once(tmp_path):
    store, _ = run(tmp_path, DependsOnTheBatch, check_determinism=4)
    [check, _] = [event for event in store.read_events() if event.type == "determinism"]
    assert (check.checkpoint, check.n, check.changed, check.batch) == ("old", 4, ("s3",), "batches of 4")
    assert outcomes(store)["s3"].text == "s3"
    _, log = run(tmp_path, DependsOnTheBatch, check_determinism=4)
    assert log == []


def test_a_completion_that_could_not_be_generated_again_is_not_one_that_changed(tmp_path):
    store, _ = run(tmp_path, FailsAlone, check_determinism=4)
    [check, _] = [event for event in store.read_events() if event.type == "determinism"]
    assert (check.n, check.changed) == (3, ())


def test_a_determinism_check_that_had_nothing_to_check_is_made_on_resume(tmp_path):
    class AllBusy(Plugin):
        def answer(self, request):
            yield Failure(request_id=request.id, kind="server", message=f"busy with {request.sample_id}")

    run(tmp_path, AllBusy, check_determinism=2)
    store, _ = run(tmp_path, check_determinism=2)
    assert [event.n for event in store.read_events() if event.type == "determinism"][-2:] == [2, 2]


def test_notices_are_kept_beside_the_outcomes(tmp_path):
    store, _ = run(tmp_path, DependsOnTheBatch)
    assert [event.message for event in store.read_events() if isinstance(event, Notice)] == ["batches of 4"] * 2


class Counts(Plugin):
    def generate(self, requests):
        yield Notice(checkpoint=self.name, kind="batch", message="ready")
        yield from super().generate(requests)

    def answer(self, request):
        if request.sample_id == "s2" and self.name == "old":
            yield Failure(request_id=request.id, kind="server", message="busy")
            return
        yield Completion(request_id=request.id, text="x", finish_reason="stop", prompt_tokens=10, completion_tokens=5)


class LosesItsServerCounting(Counts):
    def answer(self, request):
        if request.sample_id == "s2":
            raise BackendError("the server is gone", fix="start it again")
        yield from super().answer(request)


def test_what_a_run_took_is_recorded_and_added_up_over_its_interruptions(tmp_path):
    with pytest.raises(BackendError):
        run(tmp_path, LosesItsServerCounting)
    store, _ = run(tmp_path, Counts)
    spent = [(one.checkpoint, one.requests, one.prompt_tokens, one.tokens) for one in store.read_outcomes().spent]
    assert spent == [("old", 2, 20, 10), ("old", 2, 10, 5), ("new", 4, 40, 20)]
    assert all(0 <= one.loading_seconds < 9 and 0 <= one.seconds < 9 for one in store.read_outcomes().spent)


class Recorder:
    """Keeps what progress is told."""

    def __init__(self):
        self.told = []

    def load(self, checkpoint):
        self.told.append(f"load {checkpoint}")

    def start(self, checkpoint, *, total, done, longest):
        self.told.append(f"start {checkpoint} {done}/{total}")

    def advance(self, *, tokens):
        self.told.append("advance")

    def finish(self):
        self.told.append("finish")


def test_progress_is_told_of_loading_and_of_every_outcome(tmp_path):
    with pytest.raises(BackendError):
        run(tmp_path, LosesItsServer)
    recorder = Recorder()
    run(tmp_path, progress=recorder)
    assert recorder.told == [
        *("load old", "start old 2/4", "advance", "advance", "finish"),
        *("load new", "start new 0/4", *["advance"] * 4, "finish"),
    ]


@pytest.mark.parametrize("broken", ["load", "start", "advance", "finish"])
def test_the_backend_is_closed_where_progress_cannot_be_shown(tmp_path, broken):
    """As when the terminal is gone."""

    class Gone(Recorder):
        def fail(self, *_, **__):
            raise BrokenPipeError("the terminal is gone")

    recorder, log = Gone(), []
    setattr(recorder, broken, recorder.fail)
    with pytest.raises(BrokenPipeError):
        generate(PLAN, RunStore(tmp_path), lambda checkpoint: Plugin(checkpoint, log), progress=recorder)
    assert log[-1] == "close old"
