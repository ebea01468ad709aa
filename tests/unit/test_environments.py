"""The pinned environments agree with each other: Snakemake's linter does not look inside them."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

BASE = Path(__file__).parents[2]
PROJECT = tomllib.loads((BASE / "pyproject.toml").read_text())["project"]


def pins(requirements):
    return dict(re.fullmatch(r"([A-Za-z0-9_.-]+)==([\w.]+)", line).groups() for line in requirements)


def of_environment(name):
    environment = yaml.safe_load((BASE / "workflow" / "envs" / f"{name}.yaml").read_text())
    assert set(environment) == {"name", "channels", "dependencies"}
    return pins(environment["dependencies"][-1]["pip"])


def test_main_environment_is_the_projects():
    assert of_environment("main") == pins(PROJECT["dependencies"])


def test_the_lock_holds_every_direct_pin():
    lock = pins(
        line.split(" ;")[0].strip()
        for line in (BASE / "constraints.txt").read_text().splitlines()
        if line[:1] not in "#"
    )
    direct = pins(PROJECT["dependencies"]) | pins(PROJECT["optional-dependencies"]["dev"])
    assert {name: lock[name] for name in direct} == direct


@pytest.mark.parametrize("package", ["peft", "accelerate", "numpy", "nibabel", "safetensors", "pillow", "scikit-image"])
def test_unsloth_environment_shares_what_it_can(package):
    """An adapter trained there is read here, and slices are rendered alike."""
    assert of_environment("unsloth")[package] == of_environment("main")[package]


def test_every_rule_with_a_script_names_an_environment():
    for path in (BASE / "workflow" / "rules").glob("*.smk"):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            assert ("script:" in block) == ("conda:" in block), f"{path.name}: {block.split(':')[0]}"
