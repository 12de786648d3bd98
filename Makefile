PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
PIP_OPTIONS :=  # such as --no-compile, which leaves it to the first import
PIP := $(VENV)/bin/python -m pip install $(PIP_OPTIONS) --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 3 --dist worksteal

.PHONY: demo test test-slow test-hard test-scale mutants check format docs ledger bench device-check peers venv clean

demo: $(VENV)/run.stamp
	$(VENV)/bin/hizumi demo

test: $(VENV)/dev.stamp
	$(PYTEST) $(CHECKED)

test-slow: $(VENV)/dev.stamp
	$(PYTEST) -m "slow and not device"
	$(PYTEST) -m device

test-hard: $(VENV)/dev.stamp
	$(PYTEST) -m hard; status=$$?; $(VENV)/bin/python -m tools.generate; exit $$status

test-scale: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 0 -m "scale or not hard and not slow" tests/scale

mutants: $(VENV)/dev.stamp
	$(VENV)/bin/python -m tools.mutants

check: $(VENV)/dev.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_layers.py tests/test_public_names.py tests/test_generated.py

format: $(VENV)/dev.stamp docs
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

docs: $(VENV)/run.stamp
	$(VENV)/bin/python -m tools.generate

ledger: $(VENV)/run.stamp
	$(VENV)/bin/hizumi reproduce --page docs/ledger.md --output benchmarks/results/ledger

bench: $(VENV)/dev.stamp peers
	$(VENV)/bin/python -m benchmarks.speed

device-check: $(VENV)/dev.stamp
	$(VENV)/bin/python -m benchmarks.device

peers: $(PEERS)/peers.stamp

venv: $(VENV)/dev.stamp

clean:
	rm -rf $(VENV) $(PEERS) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A stamp is younger than what it was installed from, so nothing is installed twice.
$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing hizumi into $(VENV) (a minute or two) ..."
	$(PIP) --editable '.[serve]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing hizumi and its development tools into $(VENV) (a minute or two) ..."
	$(PIP) --editable '.[dev,export,openvino,video,serve,postgresql,mqtt,modbus,opcua,scale,tune,mlflow,tensorboard]'
	@touch $@ $(VENV)/run.stamp

# Tools that the benchmark of speed measures beside hizumi; they ask for other packages, so they live apart.
$(PEERS)/peers.stamp: benchmarks/speed/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/speed/peers.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || \
	  { echo "hizumi needs Python 3.11 to 3.13, and '$(PYTHON)' is not one: name one with make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "'$(PYTHON)' has no venv and ensurepip: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
