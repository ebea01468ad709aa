"""Run Python code in a process of its own and kill it (SIGKILL) as soon as a condition holds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def run_and_kill(code: str, when: Callable[[], bool], folder: Path, timeout: float = 120) -> None:
    """Fails if the process ends by itself: then nothing was killed, and nothing is shown by what follows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
    with (folder / "killed.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + timeout
            while not when() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL, (folder / "killed.log").read_text()[-2000:]
