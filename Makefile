# The daily commands. Each sets up what this machine lacks; when nothing is missing that takes a moment.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

ENVIRONMENT ?= local

.PHONY: deploy test check unit rollback status

## Test, package, build and deploy to this machine (or ENVIRONMENT=prod)
deploy:
	@scripts/bootstrap
	@scripts/base-image python:3.11-slim redis:7-alpine
	@cargo xtask deploy --env $(ENVIRONMENT)

## All checks and tests, the end-to-end ones included
test: check
	@scripts/base-image python:3.11-slim redis:7-alpine
	@cargo test --locked --workspace

## Format, lints, shell scripts, workflows
check:
	@scripts/bootstrap test
	@scripts/check

rollback status:
	@cargo xtask $@ --env $(ENVIRONMENT)
