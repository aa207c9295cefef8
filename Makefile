# requeue: `make` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Neighbours stay together, so that what a file's tests share is made once; whoever is done takes over from the others.
# Compiled, because tests start hundreds of processes, and where PYTHONDONTWRITEBYTECODE is set each would do it again.
PYTEST := $(BIN)/python -m compileall -q sim && $(BIN)/pytest -n auto --dist worksteal

.DEFAULT_GOAL := help
.PHONY: bugs storm help install run test quick sweeps lint types docs pictures tuning man wheel image mutants bench bench-logs bench-contention validate rungs notebook notebook-times clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "requeue needs Python 3.11 or newer; try make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib # on all cores, where pip takes half a minute of one
	@touch $@

install: $(STAMP) ## install everything into .venv

run: $(STAMP) ## the main job: update against server-side apply on a recorded burst
	$(BIN)/requeue compare recorded/burst-50-update --vary strategy=update,apply

test: $(STAMP) lint types ## lint, types and all tests but the sweeps
	$(PYTEST)

quick: $(STAMP) ## the tests that take seconds
	$(PYTEST) -m "not slow and not sweep" -x

sweeps: $(STAMP) ## tests that show over more scenarios what others show in seconds (a minute)
	$(PYTEST) -m sweep

lint: $(STAMP) ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## check types
	$(BIN)/mypy

docs: $(STAMP) ## write the generated reference again and build the site into build/site
	$(BIN)/python -m sim.report.reference > docs/scenarios.md
	$(BIN)/python -m sim.recording.dictionary > docs/frames.md
	$(BIN)/python -m sphinx -W --keep-going -q docs build/site
	@echo "open build/site/index.html"

pictures: $(STAMP) ## draw the pictures of the README again
	$(BIN)/python docs/_ext/pictures.py

tuning: $(STAMP) ## compute the tables of docs/tuning.md again (two minutes)
	$(BIN)/python -m sim.bench.tuning docs/tuning.md

man: $(STAMP) ## write the man page into build/man; man build/man/requeue.1 shows it
	mkdir -p build/man
	$(BIN)/python -m sim.cli.manual > build/man/requeue.1

wheel: man ## build a wheel, with the man page, into dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .

image: ## build a container image; EXTRAS=[all] for everything
	docker build -t requeue --build-arg EXTRAS='$(EXTRAS)' .

mutants: $(STAMP) ## change single operators of a sample of the code, and see whether a test notices (ten minutes)
	$(BIN)/python -m tests.mutants

bench: $(STAMP) ## cost of one simulated issuance, in bare SimPy timeouts
	$(BIN)/python -m sim.bench.issuance

bugs: $(STAMP) ## how soon explore finds each of scenarios/bugs; hours with its defaults, which go on where they were; an hour: BUGS='--seeds 8 --pct 1000 --fixed 4000 --budget 55m'
	$(BIN)/python -m sim.bench.bugs --update docs/explore.md $(BUGS)

storm: $(STAMP) ## count what 10,000 seeds of mixed faults break in two releases of cert-manager (six minutes): RUNS=10000
	for release in 1.12.9 1.21; do $(BIN)/requeue explore faults/mixed --strategy seeds --runs $(or $(RUNS),10000) \
		--set preset=cert-manager-$$release || test $$? = 1 || exit 2; done

bench-logs: $(STAMP) ## how fast requeue log reads 500 MB of audit log, beside jq and grep -c
	$(BIN)/python -m sim.bench.logs

bench-contention: $(STAMP) ## cost of plain clients beside a loop written for one model alone
	$(BIN)/python -m sim.bench.contention

validate: $(STAMP) ## predict recorded clusters and write docs/validation.md: RECORDINGS=path
	$(BIN)/requeue validate $(RECORDINGS) --profile scenarios/profiles/recorded-2-cores.yaml --ablations --update docs/validation.md

rungs: $(STAMP) ## what a stranger's data allow: the table of docs/calibration.md and the profile's errors: RECORDINGS=path
	$(BIN)/python -m sim.validation.stranger $(RECORDINGS)/decision* --update docs/calibration.md

notebook: $(STAMP) ## open the notebooks
	$(BIN)/jupyter lab notebooks

notebook-times: $(STAMP) ## run the notebooks one after another, and hold each cell to 20 s and each notebook to 90 s (three minutes)
	NOTEBOOK_TIMES=1 $(BIN)/pytest -q -s -p no:xdist tests/notebooks -m slow

clean: ## remove what was installed and what was computed
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis results/*/ results/latest
