# The commands a person needs, each with all of its set-up. What they do stands in scripts/ and in `cargo xtask`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deploy status rollback test unit e2e reliability bench check clean

# rustup installs here, and a shell that was open before does not know it yet. nginx is a program for administrators.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

ENVIRONMENT ?= local
BASE_IMAGES := python:3.11-slim redis:7-alpine

# Where bootstrap ends with 75, this login lacks the group docker, and the command begins again with it.
define set_up
code=0; scripts/bootstrap $(1) || code=$$?; \
if [ $$code = 75 ]; then exec sg docker -c '"$(MAKE)" $@ ENVIRONMENT="$(ENVIRONMENT)"'; fi; \
[ $$code = 0 ]
endef

help: ## Print this list
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 12

deploy: ## Set up this machine and deploy the backend to it (ENVIRONMENT=prod: to the server)
	@if [ "$(ENVIRONMENT)" = local ]; then $(call set_up,deploy); scripts/base-image $(BASE_IMAGES); fi; \
	cargo xtask deploy --env "$(ENVIRONMENT)"

status: ## Which slot and release serve, and whether all agree (ENVIRONMENT=prod: on the server)
	@cargo xtask status --env "$(ENVIRONMENT)"

rollback: ## Go back to the release that served before (ENVIRONMENT=prod: on the server)
	@cargo xtask rollback --env "$(ENVIRONMENT)"

test: ## Set up this machine, then all checks and tests, the end-to-end ones included
	@$(call set_up,test); \
	scripts/base-image $(BASE_IMAGES) debian:12-slim; \
	scripts/check; \
	scripts/test-backend; \
	cargo test --locked --workspace -- --test-threads 2 --show-output

unit: ## Only the tests that need no docker, in some twenty seconds once they are built
	@cargo test --locked --package xtask --bin xtask

e2e: ## Set up this machine, then the end-to-end tests whose name contains T (T=local_health)
	@[ -n "$(T)" ] || { echo 'say which: make e2e T=local_health' >&2; exit 2; }
	@$(call set_up,test); \
	scripts/base-image $(BASE_IMAGES) debian:12-slim; \
	cargo test --locked --package xtask --test it -- "$(T)" --test-threads 2 --show-output

reliability: ## Set up this machine, then kill, cancel and cut off deploys at every step (more than two hours)
	@$(call set_up,reliability); \
	scripts/base-image $(BASE_IMAGES) debian:12-slim node:18-slim golang:1.19-bookworm; \
	scripts/reliability

bench: ## Set up this machine, then measure what deploys cost, for docs/PERFORMANCE.md (PARTS="rollback size": only those)
	@$(call set_up,test); \
	scripts/base-image $(BASE_IMAGES) debian:12-slim; \
	PARTS="$(PARTS)" cargo test --quiet --locked --package xtask --features bench --test it bench:: -- --nocapture

check: ## Formatting, lints, shell scripts, spelling, workflows
	@scripts/check

clean: ## Stop what runs of the environment `local`, remove its files (its data stays) and what was built
	@scripts/clean
