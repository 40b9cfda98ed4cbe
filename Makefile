# The tasks of this project. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Each runs the tests of whole files, with an engine of its own.
WORKERS ?= 2
TEST_ENV := ENV_FILE=devtools/test.env
# By name: slow files with few tests begin early, and none is left for the end.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Runs what follows on a PostgreSQL of its own, instead of SQLite.
POSTGRES := $(BIN)/python -m devtools.postgres.server
# Of many that are alike each run takes some, of each kind; test-long has them all.
SHORT := -m "not long"
# On PostgreSQL each run takes what the database itself decides; test-postgres has all.
AT_ONCE := tests/races/test_at_once.py tests/races/test_rights.py tests/accounts/test_one_administrator.py \
	tests/console/test_backup.py
# All that is of workflow tests.
WORKFLOWS := tests/engine/test_workflow.py tests/engine/test_coverage.py tests/engine/test_run_diff.py \
	tests/promotion/test_workflows.py tests/promotion/test_suite_files.py tests/promotion/test_smoke.py \
	tests/console/test_suite_pages.py tests/browser/test_suites.py tests/devtools/test_standin.py
# All that is of who may do what, of the audit trail, and of what a browser is told or fed.
SECURITY := tests/security tests/accounts tests/browser/test_every_page.py tests/browser/test_payloads.py \
	tests/browser/test_typed_payloads.py tests/browser/test_sign_in.py tests/browser/test_single_sign_on.py \
	tests/browser/test_policy.py
# All that is of recipes and of what the network lets through, on the real nginx and nft.
RECIPES := tests/recipes tests/network
# What the runs of one target tried, added up.
TALLY := .cache/tried.json

.PHONY: help venv java system lock demo demo-reset demo-check test test-long test-browser test-faults test-workflows test-security test-recipes test-postgres test-engines bench bench-dashboards lint audit format clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.lock: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: install Python 3.11 or newer."; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is too old: install Python 3.11 or newer."; exit 2; }
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@cp requirements.lock $@

venv: $(VENV)/.lock ## Make the virtual environment from the hashed lock file

# Elasticsearch's: not needed where another one is given, Maven only until its jars are there.
java:
	@command -v java >/dev/null || { echo "java is missing: install a JDK 17 (Debian: openjdk-17-jdk-headless)."; exit 2; }
	@java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])' || { echo "java is too old: install a JDK 17 (Debian: openjdk-17-jdk-headless)."; exit 2; }
	@ls -d .cache/elasticsearch/[0-9]* >/dev/null 2>&1 || command -v mvn >/dev/null || { echo "mvn is missing: install Maven (Debian: maven)."; exit 2; }

demo: venv $(if $(ELASTICSEARCH_URL),,java) ## Run the demo until Ctrl-C (DEMO_PORT, ELASTICSEARCH_URL)
	@$(BIN)/python -m devtools.demo.run

demo-reset: venv ## Remove the demo's data, to start over
	@$(BIN)/python -m devtools.demo.reset

demo-check: venv $(if $(ELASTICSEARCH_URL),,java) ## Set a fresh demo up and do the main job, without a browser
	@$(BIN)/python -m devtools.demo.check

lock: ## Renew requirements.lock, and the image's part of it, from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing: install it with 'pip install uv'."; exit 2; }
	uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --universal --python-version 3.11 -q -o requirements.lock
	uv pip compile pyproject.toml -c requirements.lock --generate-hashes --no-emit-index-url --universal --python-version 3.11 -q -o deploy/requirements.lock

lint: venv ## Check style, types, import rules, migrations and production settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TEST_ENV) $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet --profile django accounts/templates promotion/templates environments/templates tracardi_console/templates
	$(TEST_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	$(TEST_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING

audit: venv ## Ask for advisories against requirements.lock (OSV_URL); ends with 3 where nobody answers
	@$(BIN)/python -m devtools.audit

format: venv ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

system:
	@devtools/system-packages

test: system $(if $(TEST_ELASTICSEARCH_URL),,java) lint ## Set up everything, check and test: what CI runs
	$(TEST_ENV) $(PYTEST) $(SHORT)
	$(TEST_ENV) $(POSTGRES) $(PYTEST) $(AT_ONCE)

test-long: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## What make test leaves out: the rest of many that are alike
	$(TEST_ENV) $(PYTEST) -m long

test-browser: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## The tests that drive Chromium, alone
	$(TEST_ENV) $(PYTEST) tests/browser

test-faults: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Crashes, races and a failing engine alone, and one line of what was tried
	@mkdir -p $(dir $(TALLY)) && rm -f $(TALLY)
	$(TEST_ENV) TALLY=$(TALLY) $(POSTGRES) $(PYTEST) -p tests.tally tests/races
	$(TEST_ENV) TALLY=$(TALLY) MODEL_EXAMPLES=20 MODEL_STEPS=30 $(PYTEST) -p tests.tally tests/faults tests/races

test-workflows: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Workflow tests alone, and one line of what was tried
	$(TEST_ENV) $(PYTEST) -p tests.greens $(WORKFLOWS)

test-security: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Rights, audit trail and web security alone, and one line of what was tried
	$(TEST_ENV) $(PYTEST) -p tests.security.tally $(SECURITY)

test-postgres: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## The same tests as make test, on PostgreSQL
	$(TEST_ENV) $(POSTGRES) $(PYTEST) $(SHORT)
test-recipes: system venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Recipes and network checks alone, on real nginx and nft, and one line of what was tried
	$(TEST_ENV) $(PYTEST) -p tests.recipes.tally $(RECIPES)


test-engines: venv system java ## The tests of the engine on each that is supported, and a line for each
	@$(BIN)/python -m devtools.engines --workers $(WORKERS) $(ENGINES)

bench: venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Measure promotions against other ways, growth and pages, on a real engine
	@$(BIN)/python -m benchmarks.promotion $(BENCH)
	@$(BIN)/python -m benchmarks.growth
	@$(BIN)/python -m benchmarks.pages
	@$(BIN)/python -m benchmarks.tenants

bench-dashboards: venv $(if $(TEST_ELASTICSEARCH_URL),,java) ## Measure dashboards over 5 million events, against one plain query a tile
	@$(BIN)/python -m benchmarks.dashboards $(BENCH)

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
