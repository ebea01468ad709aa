"""The hub's client in a process of its own: it reads its endpoint when it is imported."""

import os
import subprocess
import sys
from pathlib import Path


def said(call: str, endpoint: str, home: Path, **more: str) -> str:
    """What a call of `glioma.vlm.<module>.<function>(...)` returns, or the line of its `UserError`.

    `endpoint` is the hub's address, `home` a folder of the test's own: no token of the user's goes anywhere. `more` are
    further environment variables.
    """
    module = call.split("(")[0].rsplit(".", 1)[0]
    code = (
        f"import {module}\nfrom glioma.base.errors import UserError\n"
        f"try:\n    print({call})\nexcept UserError as fault:\n    print(fault)\n"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_") and "OFFLINE" not in key},
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **more,
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
