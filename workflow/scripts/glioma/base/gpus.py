"""A GPU of its own for every job of a machine with several: PyTorch would put them all on the first one.

A cluster gives each job the GPUs that it asked for and shows it no others (`CUDA_VISIBLE_DEVICES`); on one machine
Snakemake counts GPUs and does not name them. So a job locks the first that is free for as long as it lives. The lock is
the system's own: it goes with the process, however that ends.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: list[IO] = []


def devices() -> list[str]:
    """The GPUs that this process may use: those that are visible, or all that the driver names; [] where none is."""
    if (told := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in told.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return listed.stdout.split() if listed.returncode == 0 else []


def claim(wanted: int) -> None:
    """Show this process so many GPUs that no other job has claimed, before PyTorch looks for any, and no others.

    Where fewer are free, it shares the first ones, and the log says so.
    """
    if not wanted or len(known := devices()) <= wanted:
        return
    folder = Path(tempfile.gettempdir()) / f"glioma-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    mine: list[tuple[str, IO]] = []
    for name in known:
        file = (folder / f"{name}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        mine.append((name, file))
        if len(mine) == wanted:
            _held.extend(file for _, file in mine)
            return _show([name for name, _ in mine], f"of {len(known)}")
    for _, file in mine:
        file.close()
    _show(known[:wanted], f"shared: of {len(known)} fewer than {wanted} are free")


def _show(names: list[str], why: str) -> None:
    # As the driver counts them, not by speed.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ[VISIBLE] = ",".join(names)
    print(f"GPU {os.environ[VISIBLE]}, {why}")
