"""What every `script:` does around its one function call: a log, one thread, no network, and faults in one line."""

import ctypes
import errno
import gc
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from glioma.base import gpus, provenance
from glioma.base.errors import UserError

# Read by the hub's libraries when they are imported, which scripts do within `job`.
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
# What they then raise; by name, because few jobs need these libraries and importing them takes a second.
REFUSALS = ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectionError")

# malloc.h of glibc.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "os error 28")


@contextmanager
def job(snakemake, online: bool = False) -> Iterator[None]:
    """Send all output to the rule's log, and end a `UserError` in one line and exit code 1.

    The line goes to the log and to the terminal. A fault that is ours, not the user's, leaves its traceback in the log.
    Threads are set by the rule, not by the libraries: two jobs with two threads each on two cores are slower than one.
    Code that was edited after the workflow was started is refused, and so are inputs edited while they are read:
    Snakemake would record the results as made by what it knows, not by what they were made by.
    """
    if not online:
        # Everything a job reads is an input file or was fetched by a rule of its own: no other job asks the hub.
        os.environ.update(dict.fromkeys(OFFLINE, "1"))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(snakemake.threads)
    _keep_memory()
    terminal = sys.stderr
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", buffering=1) as stream:
        sys.stdout = sys.stderr = stream
        start = time.monotonic()
        try:
            gpus.claim(snakemake.resources.get("gpu", 0))
            _refuse_edited_code(snakemake)
            before = _stamps(snakemake.input)
            with _no_network(online):
                yield
            _refuse_edited_inputs(before)
            print(f"finished in {time.monotonic() - start:.1f} s")
            # Else the interpreter looks for garbage among all that was imported, twice, before it ends: a second a VLM.
            gc.freeze()
        except UserError as fault:
            _leave(f"{snakemake.rule}: {fault}", terminal, stream)
        except BaseException as error:
            if said := _full_disk(error, snakemake.output):
                _leave(f"{snakemake.rule}: {said}", terminal, stream)
            traceback.print_exc(file=stream)
            raise
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, terminal


def _keep_memory() -> None:
    """Trade memory, which is freed when the job ends, for time.

    While libraries are imported Python looks for garbage a hundred times and finds none: a sixth of what a VLM's take.
    And glibc hands freed blocks back to the system, which then clears every page of the next one: a tenth of a
    fine-tuning on a CPU. Blocks over 32 MB still go back.
    """
    gc.set_threshold(100_000, 10, 10)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _leave(line: str, *targets: TextIO) -> None:
    """End the process with one line: a SystemExit from a script would still print Snakemake's traceback."""
    for target in targets:
        # The log may lie on the disk that is full.
        with suppress(OSError):
            print(line, file=target, flush=True)
    os._exit(1)


def _full_disk(error: BaseException | None, outputs: Iterable[str]) -> str | None:
    """What to say where an exception, or one that it came from, is a full disk; by its words, too, for libraries wrap
    what the system said.
    """
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL_WORDS):
            path = Path(getattr(error, "filename", None) or next(iter(outputs), "."))
            there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
            left = shutil.disk_usage(there).free / 1e6
            return (
                f"{path}: the disk (or the quota) is full, {left:,.0f} MB are left on it; make room, then start "
                "snakemake again: it goes on from here"
            )
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def _no_network(online: bool) -> Iterator[None]:
    """A library that asks for the network in an offline job is told no; the user is told the remedy."""
    try:
        yield
    except OSError as error:
        if online or not _is_refusal(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"asked for the network, which jobs do without ({reason}); "
            "fetch with `snakemake --cores 1 fetch_models` first"
        ) from error


def _is_refusal(error: BaseException | None) -> bool:
    """Whether an exception, or one that it came from, is a library's word that it may not use the network."""
    while error is not None and type(error).__name__ not in REFUSALS:
        error = error.__cause__ or error.__context__
    return error is not None


def _refuse_edited_code(snakemake) -> None:
    """The script and its modules are those that the workflow was started with, by the digest among the params."""
    started_with = snakemake.params.get("code")
    if started_with is not None and not provenance.is_current(started_with):
        raise UserError(
            f"{started_with.split()[1]}.py or a module it uses was edited while the workflow was running; "
            "start snakemake again"
        )


def _stamps(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """path -> modification time (ns) and size (bytes) of every file; folders change with what is written into them."""
    found = {path: os.stat(path) for path in paths if os.path.isfile(path)}
    return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}


def _refuse_edited_inputs(before: dict[str, tuple[int, int]]) -> None:
    """Snakemake digests inputs when a job has ended: an edit in between would pass as what the job had read."""
    after = _stamps(before)
    edited = [path for path, stamp in before.items() if after.get(path) != stamp]
    if edited:
        raise UserError(f"{edited[0]} was edited while the job was reading it; start snakemake again")
