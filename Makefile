# Every target does its own set-up: Python 3.11 or newer, make and a package index are all it takes.
# `make PYTHON=/path/to/python3` chooses the interpreter of the environment (.venv).

RUN := .venv/bin/python
export PYTHON

.PHONY: help demo test test-pythons fuzz fuzz-effects lint check bench clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r name text; do \
	    printf 'make %-12s %s\n' "$$name" "$$text"; done

demo: ## serve a real library over a real data set and call it, line by line
	@.ci/venv demo client,server demo
	@$(RUN) examples/demo.py

test: ## run every test
	@.ci/venv test client,server,compression demo test bench
	@.ci/venv fuzz client fuzz || echo "atheris is left out: fuzzing is not guided here" >&2
	@.ci/environments
	@.ci/browser
	@$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-pythons: ## run all tests of behaviour, under uvloop too, on every Python >= 3.11 that this machine has
	@.ci/pythons

fuzz: ## feed changed bytes to every reader for MINUTES=10: no crash, no hang, no large memory
	@.ci/venv test client,server,compression demo test bench
	@.ci/venv fuzz client fuzz || echo "atheris is left out: the changes are made at random" >&2
	@nice $(RUN) -m tests.fuzz --minutes $(or $(MINUTES),10)

fuzz-effects: ## call every open function with generated arguments for MINUTES=10 where each effect is seen
	@.ci/venv test client,server,compression demo test bench
	@nice $(RUN) -W ignore -m tests.effects --minutes $(or $(MINUTES),10)

lint: ## check style, format, types and layers
	@.ci/venv check client,server,compression demo test bench check
	@failed=0; \
	$(RUN) -m ruff check --quiet . || failed=1; \
	$(RUN) -m ruff format --check --quiet . || { echo "cure: $(RUN) -m ruff format ." >&2; failed=1; }; \
	$(RUN) -m mypy --no-error-summary || failed=1; \
	$(RUN) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo || failed=1; \
	exit $$failed

check: lint ## lint, then the style and unit tests but those of disk, sockets and processes: under a minute
	@$(RUN) -m pytest -q -n 2 tests/style tests/unit --ignore-glob='tests/unit/store/test_cache*' --ignore=tests/unit/gateway/test_pool.py --ignore=tests/unit/cli --ignore=tests/unit/transport

bench: ## measure beside other programs, rewrite docs/benchmarks
	@.ci/venv bench client,server,compression bench
	@for peer in grpc pyro zerorpc; do \
	    .ci/venv "peer-$$peer" client "$$peer" || echo "$$peer is left out of the tables" >&2; done
	@$(RUN) -m benchmarks.run

clean: ## remove the environment and everything generated
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
