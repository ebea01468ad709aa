"""What a library may import, and what a job therefore does not."""

import subprocess
import sys

import pytest

from glioma.base.files import PROJECT
from glioma.base.imports import lean

NETWORK = """
from glioma.cnn import networks
from glioma.cnn.recipe import Recipe
recipe = Recipe.read(
    {"task": "segmentation", "architecture": "monai:UNet", "arguments": {"channels": [4, 8], "strides": [2]}}
)
networks.build(recipe, (16, 16, 16))
"""
BACKEND = """
import scipy
from glioma.vlm import backends
backends.get("transformers")
from transformers.models.mllama import modeling_mllama
"""
ADAPTER = """
from glioma.vlm import finetune
from glioma.vlm.settings import Training
finetune.load({"name": "tiny", "path": "resources/tiny-mllama", "quantisation": "none"}, Training(), 0)
"""
AFTER = """
import sys
print(*sorted(sys.modules))
from scipy import ndimage, optimize
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`module_of_a_test` imports `optional_of_a_test` if it is there; `needs_it_in_a_test` cannot do without."""
    (tmp_path / "optional_of_a_test.py").write_text("")
    (tmp_path / "module_of_a_test.py").write_text(
        "try:\n    import optional_of_a_test\n    found = True\nexcept ImportError:\n    found = False\n"
    )
    (tmp_path / "needs_it_in_a_test.py").write_text("import optional_of_a_test\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("optional_of_a_test", "module_of_a_test", "needs_it_in_a_test"):
        sys.modules.pop(name, None)


def test_what_is_optional_is_not_found_and_then_as_before(package):
    assert not lean("module_of_a_test", "optional_of_a_test", "json").found
    import json

    import optional_of_a_test

    assert json.loads("1") == 1
    del sys.modules["module_of_a_test"]
    assert not lean("module_of_a_test", "optional_of_a_test").found, "though it is loaded"
    assert sys.modules["optional_of_a_test"] is optional_of_a_test


def test_what_cannot_do_without_is_imported_as_it_is(package):
    assert lean("needs_it_in_a_test", "optional_of_a_test").optional_of_a_test
    with pytest.raises(ImportError, match="no_such_module"):
        lean("no_such_module", "optional_of_a_test")


@pytest.mark.parametrize(
    ("code", "own", "others"),
    [
        (NETWORK, "monai.networks.nets", {"transformers", "scipy", "sklearn"}),
        (BACKEND, "transformers.generation.utils", {"peft", "scipy.optimize", "sklearn", "boto3"}),
        (ADAPTER, "peft", {"scipy.optimize", "sklearn", "boto3"}),
    ],
    ids=["a network of MONAI", "a model off the shelf", "an adapter"],
)
def test_a_job_imports_nothing_that_is_only_installed(code, own, others):
    """And what was hidden can be imported afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", code + AFTER],
        env={"PYTHONPATH": str(PROJECT / "workflow/scripts"), "PATH": "", "HF_HUB_OFFLINE": "1"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert own in loaded and not others & loaded
