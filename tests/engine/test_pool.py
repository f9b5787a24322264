"""Whatever a document does to its worker, the blame is right and nothing else is lost."""

import subprocess
from pathlib import Path

import pytest

from semscan.engine.errors import DeviceError, NoticeCode
from semscan.engine.pdf import wire
from semscan.engine.pdf.pool import Pool

MAY_UNSHARE = subprocess.run(["unshare", "--net", "--map-root-user", "true"], capture_output=True).returncode == 0
LATE = ("hang", "spin", "half", "ready", "deaf")
FAULTY = (str(Path(__file__).with_name("faulty_worker.py")),)


def task(path: str, timeout_s: float) -> wire.Task:
    return wire.Task(path, "application/pdf", 128, 16, 128, 10**6, 10, False, timeout_s)


def run(names: list[str], timeout_s: float = 30.0, jobs: int = 2, memory_mib: int = 256):
    """Messages by document of its last try, and the processes that were used."""
    messages: dict[str, list[wire.Message]] = {name: [] for name in names}
    attempts: dict[str, int] = {}
    with Pool(jobs, memory_mib, timeout_s, 128, program=FAULTY) as pool:
        for progressed in filter(None, pool.run((i, task(name, timeout_s)) for i, name in enumerate(names))):
            name = names[progressed.key]
            if progressed.attempt != attempts.get(name, 1):
                messages[name].clear()
            attempts[name] = progressed.attempt
            messages[name] += progressed.messages
    return messages, attempts


def verdict(messages: list[wire.Message]) -> list[str]:
    return [
        m.notice.code if isinstance(m, wire.Noted) else type(m).__name__
        for m in messages
        if not isinstance(m, wire.Opened)
    ]


def test_each_fault_is_blamed_on_its_document_and_the_rest_completes():
    names = ["a", "segfault", "kill", "b", "exit", "exception", "chatter", "eat", "c"]
    messages, attempts = run(names)
    assert {name: verdict(found) for name, found in messages.items()} == {
        "a": ["Found", "Done"],
        "segfault": [NoticeCode.WORKER_CRASHED, "Done"],
        "kill": [NoticeCode.WORKER_CRASHED, "Done"],
        "b": ["Found", "Done"],
        "exit": [NoticeCode.WORKER_CRASHED, "Done"],
        "exception": [NoticeCode.WORKER_CRASHED, "Done"],
        "chatter": ["Found", "Done"],
        "eat": [NoticeCode.OUT_OF_MEMORY, "Done"],
        "c": ["Found", "Done"],
    }
    assert attempts["kill"] == 2 and attempts["eat"] == 1
    assert "signal 9" in messages["kill"][-2].notice.message
    assert "signal 11" in messages["segfault"][-2].notice.message
    assert "exit status 7" in messages["exit"][-2].notice.message


@pytest.mark.parametrize("fault", [*LATE, "garbage", "flood", "nested", "types", "scored", "endless"])
def test_a_worker_that_never_answers_is_killed(fault):
    messages, _ = run(["a", fault, "b"], timeout_s=2.5)
    expected = NoticeCode.TIMEOUT if fault in LATE else NoticeCode.WORKER_CRASHED
    assert [said for said in verdict(messages[fault]) if said not in ("Found", "Ready")] == [expected, "Done"]
    assert verdict(messages["a"]) == verdict(messages["b"]) == ["Found", "Done"]


def test_a_document_that_fails_once_is_tried_again_and_counts_once(tmp_path):
    name = str(tmp_path / "once-killed")
    messages, attempts = run([name])
    assert attempts[name] == 2
    assert [m.record.panel_id for m in messages[name] if isinstance(m, wire.Found)] == ["once-killed"]


def test_what_was_found_before_a_document_failed_for_good_is_told():
    messages, attempts = run(["late"])
    assert attempts["late"] == 2
    assert verdict(messages["late"]) == ["Found", NoticeCode.WORKER_CRASHED, "Done"]


def test_leaving_the_pool_ends_every_worker():
    with Pool(2, 256, 30.0, 128, program=FAULTY) as pool:
        stream = pool.run((i, task("hang", 30.0)) for i in range(2))
        next(stream)
        processes: list[subprocess.Popen[bytes]] = [w.process for w in pool._workers]
        assert len(processes) == 2
    assert all(process.poll() is not None for process in processes)


def panel_ids(messages: list[wire.Message]) -> list[str]:
    return [m.record.panel_id for m in messages if isinstance(m, wire.Found)]


def test_a_worker_can_neither_write_files_nor_see_the_callers_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    target = str(tmp_path / "write-here")
    messages, _ = run([target, "environment"])
    assert panel_ids(messages[target]) == ["refused"]
    assert not Path(target).exists() or Path(target).stat().st_size == 0
    assert "AWS_SECRET_ACCESS_KEY" not in panel_ids(messages["environment"])[0]


@pytest.mark.skipif(not MAY_UNSHARE, reason="this system forbids network namespaces")
def test_a_worker_has_no_network_beyond_a_dead_loopback():
    messages, _ = run(["interfaces"])
    assert panel_ids(messages["interfaces"]) == ["lo"]


def test_an_installation_whose_workers_do_not_start_is_a_refusal(tmp_path):
    (tmp_path / "broken.py").write_text("raise SystemExit(3)")
    with (
        Pool(2, 256, 30.0, 128, program=(str(tmp_path / "broken.py"),)) as pool,
        pytest.raises(DeviceError, match="exit status 3"),
    ):
        list(pool.run(iter([(0, task("a", 30.0))])))


def test_tasks_are_taken_only_as_workers_become_free():
    taken = []

    def tasks():
        for i in range(50):
            taken.append(i)
            yield i, task("a", 30.0)

    with Pool(2, 256, 30.0, 128, program=FAULTY) as pool:
        stream = pool.run(tasks())
        next(stream)
        assert len(taken) <= 3
