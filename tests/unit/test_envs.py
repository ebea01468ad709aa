"""The environments of `--sdm conda` hold what the rules' scripts import, in versions that go together.

A package that an environment lacks would silently come from the one that Snakemake runs in, or not at all.
"""

import ast
import re
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from glioma import tasks
from glioma.base import provenance
from glioma.vlm import backends

WORKFLOW = Path(__file__).parents[2] / "workflow"
LOCK = WORKFLOW.parent / "constraints.txt"
# What only the code for one backend imports, and only once that backend was chosen.
CHOSEN = {
    "main": {"unsloth", "vllm", "medpy"},
    "sam": {"medpy"},
    "unsloth": {"vllm", "medpy"},
    "vllm": {"unsloth", "medpy"},
}
# What `environment_of` in rules/names.smk chooses from.
BY_BACKEND = {"unsloth", "vllm"}
# What scripts import by a name that they are given.
NAMED = {
    "respond": list(map(backends.module, backends.names())),
    "finetune": list(map(tasks.module, tasks.queries())),
}
# The bounds that unsloth and unsloth_zoo 2026.10.7 state in their metadata.
UNSLOTH_WANTS = [
    "unsloth_zoo>=2026.10.7",
    "torch<2.15.0,>=2.4.0",
    "torchao>=0.13.0",
    "xformers>=0.0.27.post2",
    "bitsandbytes!=0.46.0,!=0.48.0,>=0.45.5",
    "triton>=3.0.0",
    "datasets!=4.0.*,!=4.1.0,!=4.4.*,!=4.5.0,<5.0.0,>=3.4.1",
    "accelerate>=0.34.1",
    "peft!=0.11.0,>=0.18.0",
    "huggingface_hub>=0.34.0",
    "transformers!=4.57.4,!=4.57.5,!=5.0.0,!=5.1.0,<=5.17.0,>=4.52.4",
    "trl!=0.19.0,<=1.15.0,>=0.18.2",
]


def pins(name: str) -> dict[str, str]:
    """package -> version of an environment; every line is one exact version."""
    environment = yaml.safe_load((WORKFLOW / "envs" / f"{name}.yaml").read_text())
    *_, pip = environment["dependencies"]
    requirements = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in pip["pip"]]
    assert all(requirements), f"{name}.yaml: every package needs one exact version"
    assert len({canonicalize_name(found[1]) for found in requirements}) == len(requirements), f"{name}.yaml: twice"
    return {canonicalize_name(found[1]): found[2] for found in requirements}


def scripts(name: str) -> set[str]:
    """The scripts of the rules that run in an environment."""
    found = set()
    for path in (WORKFLOW / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            script = re.search(r"scripts/(\w+)\.py", rule)
            if script and (f"envs/{name}.yaml" in rule or ("environment_of(" in rule and name in BY_BACKEND)):
                found.add(script[1])
    return found


def imported(name: str) -> set[str]:
    """The foreign top-level modules that an environment's scripts and the project's modules they reach import."""
    files = {file for script in scripts(name) for file in provenance.reached(script, *NAMED.get(script, ()))}
    modules = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            modules.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module.split(".")[0])
    return modules - set(sys.stdlib_module_names) - {"glioma"}


def brought_along(packages: set[str]) -> set[str]:
    """The packages and all that they require in turn, as installed here."""
    found, queue = set(), sorted(packages)
    while queue:
        package = queue.pop()
        if package not in found:
            found.add(package)
            with suppress(PackageNotFoundError):  # of another platform
                needed = [Requirement(line) for line in requires(package) or []]
                queue.extend(canonicalize_name(each.name) for each in needed if "extra" not in str(each.marker))
    return found


@pytest.mark.parametrize(("name", "least"), [("main", 20), ("sam", 1), ("unsloth", 3), ("vllm", 2)])
def test_each_package_that_a_script_imports_is_there(name, least):
    assert len(scripts(name)) >= least
    distributions, there = packages_distributions(), set(pins(name))
    # What the main environment's packages bring along is known, because it is installed here, and pinned by the lock.
    complete = brought_along(there) if name == "main" else there
    for module in sorted(imported(name) - CHOSEN[name]):
        package = canonicalize_name(distributions.get(module, [module])[0])
        assert package in complete, f"{name}.yaml lacks {package}"


def test_the_main_environment_is_the_locks():
    lock = dict(re.findall(r"^([\w.-]+)==([\w.]+)(?: ;.*)?$", LOCK.read_text(), flags=re.MULTILINE))
    lock = {canonicalize_name(package): version for package, version in lock.items()}
    here = pins("main")
    assert {package: lock.get(package) for package in here} == here


@pytest.mark.parametrize("wanted", UNSLOTH_WANTS)
def test_unsloth_gets_the_versions_it_takes(wanted):
    requirement, there = Requirement(wanted), pins("unsloth")
    assert requirement.specifier.contains(there[canonicalize_name(requirement.name)])


def test_the_bounds_are_those_of_the_pinned_unsloth():
    assert pins("unsloth")["unsloth"] == pins("unsloth")["unsloth-zoo"] == "2026.10.7"


def test_both_environments_agree_where_unsloth_does_not_forbid_it():
    """An adapter trained in one is read in the other, and pictures are rendered alike."""
    main, unsloth = pins("main"), pins("unsloth")
    differ = {package for package in main.keys() & unsloth.keys() if main[package] != unsloth[package]}
    assert differ == {"torch", "transformers", "trl", "datasets"}


def test_the_environment_of_vllm_differs_from_the_main_one_in_what_vllm_wants():
    main, vllm = pins("main"), pins("vllm")
    assert {package for package in main.keys() & vllm.keys() if main[package] != vllm[package]} == {
        "llguidance",
        "numpy",
        "transformers",
    }


@pytest.mark.parametrize("name", ["main", "sam", "unsloth", "vllm"])
def test_all_run_the_python_of_the_lock(name):
    environment = yaml.safe_load((WORKFLOW / "envs" / f"{name}.yaml").read_text())
    assert environment["dependencies"][0] == "python=3.11" and environment["channels"] == ["conda-forge"]


def test_rules_are_named_as_their_scripts():
    """By the rule's name a job finds the script whose digest it compares."""
    for path in (WORKFLOW / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            name = rule.split(":")[0]
            assert re.findall(r"scripts/(\w+)\.py", rule) in ([], [name])
            assert re.findall(r'code=(?:lambda wildcards: )?code\(\s*"(\w+)"', rule) in ([], [name])
