"""What a library may import, and what a job therefore does not."""

import subprocess
import sys
from importlib import import_module

import pytest

from glioma.base.files import PROJECT
from glioma.base.imports import without

JOB = """
import sys
import torch
from glioma.cnn import networks
from glioma.cnn.recipe import Recipe
recipe = Recipe.read(
    {"task": "segmentation", "architecture": "monai:UNet", "arguments": {"channels": [4, 8], "strides": [2]}}
)
networks.build(recipe, (16, 16, 16))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
from scipy import ndimage
"""


def test_what_is_hidden_is_not_found_and_then_as_before(tmp_path, monkeypatch):
    (tmp_path / "a_package_to_hide.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    import json as before

    for name in ("a_package_to_hide", "json"):
        with without("a_package_to_hide", "json"), pytest.raises(ImportError):
            import_module(name)
    import json

    import a_package_to_hide

    assert a_package_to_hide.value == 1 and json is before


def test_a_network_of_monai_costs_none_of_what_monai_could_use():
    """And what MONAI was not shown can be imported afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        env={"PYTHONPATH": str(PROJECT / "workflow/scripts"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "monai" in done.stdout and not {"transformers", "scipy", "sklearn"} & set(done.stdout.split())
