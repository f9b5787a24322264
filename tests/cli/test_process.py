"""What only a real process shows: its descriptors, its exit code, what it leaves on the pipe."""

from __future__ import annotations

import json
import os
import pickle
import pty
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

# Runs the command line with a pipeline that yields pickled records and, like a careless native library, prints.
RUNNER = """
import os, pickle, sys, time, types
records = sys.argv.pop(1)
fake = types.ModuleType("semscan.engine.pipeline")
def scan(paths, options, *, argv=(), progress=None, journal=None, stop=bool):
    for record in pickle.load(open(records, "rb")):
        os.write(1, b"noise from a library")
        print("noise from python", flush=True)
        yield record
        if record.type == os.environ.get("SIGNAL_AFTER"):
            for _ in range(int(os.environ.get("TIMES", 1))):
                os.kill(os.getpid(), int(os.environ["SIGNAL"]))
            if not stop():
                time.sleep(60)
fake.scan = scan
sys.modules["semscan.engine.pipeline"] = fake
from semscan.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def command(sample, tmp_path):
    """Words that run ``semscan`` on the sample paper; add options."""

    def build(*words, records=None):
        stored = tmp_path / "records.pickle"
        stored.write_bytes(pickle.dumps(records or sample.paper))
        return [sys.executable, "-c", RUNNER, str(stored), "paper.pdf", *words]

    return build


def run(command, **options):
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "text"])
def test_standard_output_holds_only_data(command, form):
    done = run(command("-f", form))
    assert done.returncode == 0, done.stderr
    assert b"noise" not in done.stdout
    assert b"noise from a library" in done.stderr
    text = done.stdout.decode()
    if form == "jsonl":
        assert [json.loads(line)["type"] for line in text.splitlines()][-1] == "summary"
    elif form == "json":
        assert len(json.loads(text)["records"]) == 7
    else:
        assert "noise" not in text
        assert "Fig. 2" in text


def test_a_reader_that_goes_away_is_no_error(command, sample):
    records = [*sample.paper[:-1], *[sample.look] * 5000, sample.paper[-1]]
    process = subprocess.Popen(command("--json", "-q", records=records), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b'{"type":"run"')
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert b"Traceback" not in errors
    assert b"Exception" not in errors


def test_a_full_standard_output_is_refused(command):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(command("--json", "-q"), stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 2
    assert b"semscan: standard output cannot be written: No space left on device" in done.stderr


@pytest.mark.parametrize("closed", [1, 2])
def test_closed_descriptors_are_no_error(command, tmp_path, closed):
    words = command("-o", str(tmp_path / "r.jsonl"), "--json")
    done = run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", *words])
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    records = (tmp_path / "r.jsonl").read_bytes()
    assert records.count(b"\n") == 7
    assert done.stdout == (b"" if closed == 1 else records)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_end_a_run_in_order(command, tmp_path, name):
    environment = os.environ | {"SIGNAL_AFTER": "document", "SIGNAL": str(int(getattr(signal, name)))}
    done = run(command("-o", str(tmp_path / "r.json"), "-f", "none"), env=environment | {"TIMES": "2"})
    assert done.returncode == 130
    assert b"interrupted" in done.stderr
    assert b"Traceback" not in done.stderr
    records = json.loads((tmp_path / "r.json").read_text())["records"]
    assert [record["type"] for record in records] == ["run", "document"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "records.pickle"]


def test_the_first_ctrl_c_lets_the_documents_in_hand_finish(command, tmp_path, sample):
    environment = os.environ | {"SIGNAL_AFTER": "document", "SIGNAL": str(int(signal.SIGINT))}
    records = [*sample.paper[:-1], replace(sample.paper[-1], exit_code=130)]
    done = run(command("-o", str(tmp_path / "r.jsonl"), "-f", "none", records=records), env=environment)
    assert done.returncode == 130
    assert b"finishing the documents in hand" in done.stderr
    assert (tmp_path / "r.jsonl").read_bytes().count(b"\n") == 7


def test_an_ignored_hangup_stays_ignored(command, tmp_path):
    environment = os.environ | {"SIGNAL_AFTER": "summary", "SIGNAL": str(int(signal.SIGHUP))}
    words = command("-f", "none")
    words[2] = words[2].replace("time.sleep(60)", "pass").replace("from semscan", "import signal\nfrom semscan", 1)
    words[2] = words[2].replace("import signal\n", "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    assert run(words, env=environment).returncode == 0


def test_on_a_terminal_there_is_prose_in_colour(command):
    text = on_terminal(command())
    assert "\x1b[" in text
    assert "A flag is a prompt to look" in text
    assert "Suggested step" in text
    plain = on_terminal(command("--no-color"))
    assert "\x1b[" not in plain
    assert "Suggested step" in plain


def test_no_color_is_heeded(command):
    assert "\x1b[" not in on_terminal(command(), NO_COLOR="1")


def on_terminal(command, **environment):
    """Standard output of a command that believes it is on a terminal."""
    parent, child = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "110", "PATH": os.environ["PATH"]} | environment
    process = subprocess.Popen(command, stdout=child, stderr=subprocess.DEVNULL, env=environment)
    os.close(child)
    read = b""
    while True:
        try:
            block = os.read(parent, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not block:
            break
        read += block
    os.close(parent)
    assert process.wait(60) == 0
    return read.decode()


def test_module_and_script_are_the_same_program():
    done = run([sys.executable, "-m", "semscan.cli", "--version"])
    assert done.returncode == 0
    assert b"semscan" in done.stdout
