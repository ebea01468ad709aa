"""What every `script:` does around its one function call: a log, one thread, and faults in one line."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glioma.errors import UserError


@contextmanager
def job(snakemake, online: bool = False) -> Iterator[None]:
    """Send all output to the rule's log, and end a `UserError` in one line and exit code 1.

    The line goes to the log and to the terminal. A fault that is ours, not the user's, leaves its traceback in the log.
    Threads are set by the rule, not by the libraries: two jobs with two threads each on two cores are slower than one.
    """
    if not online:
        # Everything a job reads is an input file or was fetched by a rule of its own: no other job asks the hub.
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(snakemake.threads)
    terminal = sys.stderr
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8", buffering=1) as stream:
        sys.stdout = sys.stderr = stream
        start = time.monotonic()
        try:
            yield
            print(f"finished in {time.monotonic() - start:.1f} s")
        except UserError as fault:
            for target in (stream, terminal):
                print(f"{snakemake.rule}: {fault}", file=target, flush=True)
            # SystemExit from a script would still print Snakemake's traceback; leaving at once does not.
            stream.flush()
            os._exit(1)
        except BaseException:
            traceback.print_exc(file=stream)
            raise
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, terminal
