"""Everything that the program does, without a network: run by `test_offline.py` where no route leads anywhere.

    unshare -rn python -m tests.hard.offline FOLDER           all commands, one after another
    python -m tests.hard.offline --guarded COUNTS -m MODULE   one of them, every attempt counted as Python sees it

Attempts are counted twice: by an audit hook in each process, and by the kernel, which counts in each namespace what it
had no route for, whoever asked.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
ASKS = ("-c", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))")
LOADS_ALL = ("-c", "import hizumi, hizumi.runtime, hizumi.detectors as d, hizumi.models as m; [dir(d), dir(m)]")


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """What Python is to run, by names; `good` and `new` in the folder hold pictures, `rows.csv` numbers."""
    bundle, good, new = str(folder / "parts.hizumi"), str(folder / "good"), str(folder / "new")
    trained = ("-d", "reconstruction", "--steps", "3", "--image-size", "32")
    openvino = ("--data", good, "--to", "openvino")
    told = ("--json", str(folder / "told.json"), "--csv", str(folder / "told.csv"), "--maps", str(folder / "maps"))
    hizumi = {
        "demo": ("demo", "--steps", "3", "-o", str(folder / "demo")),
        "doctor": ("doctor",),
        "fit": ("fit", good, *trained, "-o", bundle),
        "fit rows": ("fit", str(folder / "rows.csv"), "-d", "mahalanobis", "-o", str(folder / "rows.hizumi")),
        "fit, tracked": (
            *("fit", str(folder / "rows.csv"), "-d", "mahalanobis", "-o", str(folder / "tracked.hizumi")),
            *("--track", f"mlflow:sqlite:///{folder}/runs.db", "--track", f"tensorboard:{folder}/curves"),
        ),
        "model train": ("model", "train", "vae", good, "--steps", "3", "--image-size", "32", "-o", bundle + ".model"),
        "info": ("info", bundle),
        "inspect": ("inspect", bundle, new, *told),
        "evaluate, with its report": ("evaluate", bundle, str(folder), "-o", str(folder / "evaluation")),
        "export, ONNX": ("export", bundle, "--data", good),
        "export, 8 bits": ("export", bundle, "--data", good, "--precision", "int8", "-o", f"{bundle}.int8"),
        "export, OpenVINO": ("export", bundle, *openvino),
        "export, bfloat16": ("export", bundle, *openvino, "--precision", "bf16", "-o", f"{bundle}.bf16"),
        "inspect, exported": ("inspect", str(folder / "parts.onnx.hizumi"), new),
    }  # fmt: skip
    runtime = {
        f"runtime, {engine}": ("-m", "hizumi.runtime", str(folder / f"parts.{engine}.hizumi"), new)
        for engine in ("onnx", "openvino")
    }
    return {"import": LOADS_ALL, **{name: ("-m", "hizumi", *words) for name, words in hizumi.items()}, **runtime}


def main(folder: Path) -> None:
    """Write `offline.json`: of each command its exit status and attempts, and what the kernel counted."""
    asked = _run(folder, ASKS)
    unrouted = _unrouted()
    ended = {name: _run(folder, words) for name, words in commands(folder).items()}
    found = {"asked": asked, "asked unrouted": unrouted, "ended": ended, "unrouted": _unrouted() - unrouted}
    (folder / "offline.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _run(folder: Path, words: tuple[str, ...]) -> dict[str, Any]:
    counts = folder / "counts.json"
    counts.write_text("[]")
    command = [sys.executable, "-m", "tests.hard.offline", "--guarded", str(counts), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    return {"code": done.returncode, "attempts": json.loads(counts.read_text()), "error": done.stderr[-500:]}


def _unrouted() -> int:
    """How often this namespace has had no route for a packet or connection, of both versions of the protocol."""
    heading, values = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:3] == "Ip:"]
    sixth = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return int(values[heading.index("OutNoRoutes")]) + int(sixth["Ip6OutNoRoutes"])


def guarded(counts: Path, words: list[str]) -> None:
    """Run `-m MODULE ...` or `-c CODE` in this process, and write every attempt at the network."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        # A socket within the machine is a path, and no network.
        if event in EVENTS and not isinstance(arguments[-1], str | bytes):
            counts.write_text(json.dumps([*json.loads(counts.read_text()), f"{event} {arguments[1:]}"]))

    sys.addaudithook(note)
    if words[0] == "-c":
        exec(words[1], {"__name__": "__main__"})  # a constant of this file
    else:
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1] == "--guarded":
        guarded(Path(sys.argv[2]), sys.argv[3:])
    else:
        main(Path(sys.argv[1]))
