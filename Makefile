# What can be done here: `make help`.
# The environment is made again only when a lock file or pyproject.toml has changed.

export PYTHON ?= python3
ARGS ?=

RUN := .venv/installed-run
DEV := .venv/installed-dev
MINISTACK := .servers/ministack/installed
SWIFT := .servers/swift/installed
DJANGO := .servers/bench/installed
PEERS := .servers/peers/installed
NPM := .servers/npm/installed
CEPH := radosgw ceph-mon ceph-osd
MEMCACHED := memcached
TOOLS := curl strace openssl
BROWSER := chromium
PROXY := nginx-light
POSTGRES := postgresql

# What asks for no server runs on all processors; what measures time and starts servers has the machine for itself.
define EVERYTHING
.venv/bin/python -m pytest --part pure --numprocesses logical --dist worksteal --cov --cov-report= --cov-fail-under=0 $(ARGS)
.venv/bin/python -m pytest --part beside --numprocesses logical --dist loadfile --cov --cov-append --cov-report= --cov-fail-under=0 $(ARGS)
.venv/bin/python -m coverage run --append -m pytest --part alone $(ARGS)
.venv/bin/python -m coverage report
endef

.DELETE_ON_ERROR:
.PHONY: help run install example-django dist dev servers test lint bench lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

run: $(RUN) ## serve on http://127.0.0.1:8000 from ./kist-data
	@exec .venv/bin/kist serve $(ARGS)

install: $(RUN) ## make .venv with what it takes to run; afterwards .venv/bin/kist works
	@echo "installed: .venv/bin/kist"

example-django: $(RUN) ## serve the example of a Django project on http://127.0.0.1:8000 (ARGS=8001: on another port)
	cd examples/django_project && $(CURDIR)/.venv/bin/python manage.py migrate
	cd examples/django_project && exec $(CURDIR)/.venv/bin/python manage.py runserver $(ARGS)

dist: $(RUN) ## build the wheel and the source archive into dist/
	rm -rf dist
	.venv/bin/python -m hatchling build --directory dist

dev: $(DEV) ## make .venv with everything for working on Kist

test: $(DEV) $(MINISTACK) $(SWIFT) $(NPM) $(PEERS) ## run all tests, with real S3 servers and PostgreSQL on loopback (ARGS='--long' adds the long loops)
	@scripts/debian-packages.sh $(CEPH) $(MEMCACHED) $(TOOLS) $(BROWSER) $(PROXY) $(POSTGRES)
	$(if $(filter-out --long,$(ARGS)),.venv/bin/python -m pytest $(ARGS),$(EVERYTHING))

servers: $(DEV) $(MINISTACK) $(SWIFT) ## start the servers of the tests, say how to use them, stop at Ctrl-C
	@scripts/debian-packages.sh $(CEPH) $(MEMCACHED) $(POSTGRES)
	@.venv/bin/python -m tests.servers.keeper rgw ministack swift postgres

lint: $(DEV) ## check style, types and import layers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: $(DEV) $(DJANGO) $(PEERS) ## measure against peers (installs nginx, wrk, Ceph and PostgreSQL where it may)
	@scripts/debian-packages.sh $(PROXY) wrk $(CEPH) $(POSTGRES)
	.venv/bin/python -m bench $(ARGS)

lock: ## make requirements/*.txt again from pyproject.toml (UPGRADE=1 takes the newest versions)
	scripts/lock.sh

clean: ## remove what make has made, but not ./kist-data
	rm -rf .venv .servers dist

$(RUN): requirements/run.txt pyproject.toml
	@scripts/environment.sh .venv requirements/run.txt --with-project
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	@scripts/environment.sh .venv requirements/dev.txt
	@touch $@

$(MINISTACK): requirements/ministack.txt
	@scripts/environment.sh .servers/ministack requirements/ministack.txt
	@touch $@

$(SWIFT): requirements/swift.txt
	@scripts/environment.sh .servers/swift requirements/swift.txt
	@touch $@

$(NPM): requirements/npm/package.json requirements/npm/package-lock.json
	@scripts/npm.sh .servers/npm

$(DJANGO): requirements/bench.txt
	@scripts/environment.sh .servers/bench requirements/bench.txt
	@touch $@

$(PEERS): requirements/peers.txt
	@scripts/environment.sh .servers/peers requirements/peers.txt
	@touch $@
