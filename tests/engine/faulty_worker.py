"""A worker that does what the name of its document says, to see whom the pool blames."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from semscan.engine.pdf import worker
from semscan.engine.pdf.packed import packing
from semscan.engine.pdf.wire import Done, Found, Opened
from semscan.engine.records import PanelRecord


class FaultyExaminer:
    def examine(self, task, emit):
        fault = Path(task.path).stem
        emit(Opened("sha256:" + fault, 1))
        if fault.startswith("once-") and not Path(task.path).exists():
            Path(task.path).touch()  # empty: the worker may not write a byte
            emit(Found(PanelRecord(panel_id="lost", doc_id=fault, status="not_assessed")))
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "late":
            emit(Found(PanelRecord(panel_id="late", doc_id=fault, status="not_assessed")))
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang":
            time.sleep(3600)
        elif fault == "spin":
            while True:
                pass
        elif fault == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault == "exit":
            os._exit(7)
        elif fault == "exception":
            raise ZeroDivisionError("a bug")
        elif fault == "eat":
            eaten = []
            while True:
                eaten.append(bytearray(2**24))
        elif fault == "chatter":
            os.write(1, b"garbage on stdout\n" * 1000)
        elif fault == "flood":
            emit.__self__._connection.send_bytes(bytes(3 << 20))
            time.sleep(3600)
        elif fault == "half":
            os.write(emit.__self__._connection.fileno(), b"\x00\x00\x03\xe8abc")  # 1000 bytes announced, 3 sent
            time.sleep(3600)
        elif fault == "ready":
            while True:
                emit.__self__._connection.send_bytes(b'[["Ready"]]')
                time.sleep(0.5)
        elif fault == "deaf":
            record = PanelRecord(panel_id="a", doc_id="b", status="assessed")
            row = json.dumps([["Found", packing(PanelRecord).pack(record), "lossless", 0, [0, 512], None, None, []]])
            while True:
                emit.__self__._connection.send_bytes(row.encode())
        elif fault == "endless":
            emit.__self__._connection.send_bytes(json.dumps([["Done", 0, 0, {"open": 10**400}]]).encode())
            time.sleep(3600)
        elif fault == "types":
            emit.__self__._connection.send_bytes(json.dumps([["Done", "a", 0, {}]]).encode())
            time.sleep(3600)
        elif fault == "scored":
            emit(Found(PanelRecord(panel_id="a", doc_id="b", status="not_assessed", score=9.0, level="look")))
            time.sleep(3600)
        elif fault == "nested":
            emit.__self__._connection.send_bytes(b"[" * 200_000)
            time.sleep(3600)
        elif fault == "garbage":
            emit.__self__._connection.send_bytes(b"{not json")
            time.sleep(3600)
        elif fault.startswith("write-"):
            try:
                Path(task.path).write_bytes(b"x")
                fault = "written"
            except OSError:
                fault = "refused"
        elif fault == "interfaces":
            fault = ",".join(name for _, name in socket.if_nameindex())
        elif fault == "environment":
            fault = ",".join(sorted(os.environ))
        emit(Found(PanelRecord(panel_id=fault, doc_id=fault, status="not_assessed")))
        return Done(images=1)


worker.Examiner = FaultyExaminer
worker.main(sys.argv)
