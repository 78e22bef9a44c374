# The edge appliance. Two commands matter: `make demo` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= $(or $(shell command -v cargo),$(HOME)/.cargo/bin/cargo)
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Tools that are built from source once; another version goes into another folder, so a new pin takes effect.
CARGO_DEB := 3.8.0
CARGO_DENY := 0.20.2
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/edge-agent/tools
DEMO_SECONDS ?= 0
ROW ?=
SOURCE ?=
SAY := edge-agent/setup/say
# Steps are told with the time since here, set-up and build included.
export EDGE_BEGAN_US := $(shell echo $${EPOCHREALTIME//[.,]/})
# Debian keeps daemons such as mosquitto where a plain user's path does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin
STEP = @printf '\n=== %s (%(%H:%M:%S)T)\n'

.PHONY: help build demo test test-long arm64 deb machine image image-check bench fmt clippy deny models-check model-tests train setup-build setup-demo setup-test setup-long

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo "  make demo SOURCE=rtsp://… | FILE | /dev/video0   your own camera;  DEMO_SECONDS=60 ends by itself"

setup-build:
	@edge-agent/setup/packages build
setup-demo: setup-build
	@edge-agent/setup/packages demo
setup-test: setup-demo
	@edge-agent/setup/packages test
setup-long: setup-test
	@edge-agent/setup/packages long

build: setup-build ## target/release/edge-agent and target/release/rtcc, usable as they are
	@library=$$(edge-agent/setup/onnxruntime); \
	$(SAY) 'building (release; the first time compiles every dependency)'; \
	edge-agent/setup/room $(TARGET) $(if $(wildcard $(TARGET)/release/demo),1,6); \
	$(CARGO) build --locked --release --bin edge-agent --bin rtcc --bin demo; \
	cp -u "$$library" $(TARGET)/release/libonnxruntime.so; \
	$(SAY) 'built: $(TARGET)/release/edge-agent and $(TARGET)/release/rtcc'

demo: setup-demo build ## The main job, end to end: cameras, broker, center, cut network, verified clip
	@exec $(TARGET)/release/demo --seconds "$(DEMO_SECONDS)" --source "$(SOURCE)"

test: setup-test ## Everything that must hold before a change lands
	$(STEP) 'formatting'
	@$(CARGO) fmt --all --check
	$(STEP) 'lints'
	@$(MAKE) --no-print-directory clippy
	$(STEP) 'documentation'
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --quiet
	$(STEP) 'programs'
	@library=$$(edge-agent/setup/onnxruntime); $(CARGO) build --locked --workspace --bins; \
	cp -u "$$library" $(TARGET)/debug/libonnxruntime.so
	$(STEP) 'tests'
	@CARGO=$(CARGO) edge-agent/setup/tests
	$(STEP) 'models'
	@$(MAKE) --no-print-directory model-tests
	$(STEP) 'layer'
	@EDGE_MACHINES=qemuarm64 yocto/check
	$(STEP) 'dependencies'
	@$(MAKE) --no-print-directory deny
	$(STEP) 'all passed'

test-long: setup-long ## The high counts, the long runs, and that every harness fails on sabotage
	@CARGO_TARGET_DIR=$(TARGET) $(CARGO) check --locked --quiet --manifest-path tests/fuzz/Cargo.toml
	@CARGO=$(CARGO) edge-agent/setup/sabotage
	@KILLS=500 $(CARGO) test --locked -p edge-tests --test killed
	@ENROLMENT_KILLS=all $(CARGO) test --locked -p edge-tests --test enrolment killed
	@POWER_CUTS=500 $(CARGO) test --locked -p edge-store --test power_cut
	@POWER_CUTS=50 $(CARGO) test --locked -p edge-tests --test power_cut
	@CAMERA_RECONNECTS=10000 $(CARGO) test --locked -p edge-tests --test camera_reconnects
	@EDGE_VISION_SECONDS=65 $(CARGO) test --locked -p edge-agent --test vision_worker
	@STARVED_SECONDS=60 $(CARGO) test --locked -p edge-tests --test starved
	@UPDATE_PROVES=300 $(CARGO) test --locked -p edge-tests --test update_proves --test update_models --test update_agent -- --nocapture
	@EDGE_DRY=1 $(MAKE) --no-print-directory image-check
	@yocto/check selftest
	@status=0; edge-agent/setup/arm64 install || status=$$?; \
	case $$status in \
		0) $(MAKE) --no-print-directory arm64; \
			$(CARGO) test --locked -p edge-tests --test arm64 -- --nocapture ;; \
		77) echo 'SKIPPED arm64: what it needs cannot be had here, see above' ;; \
		*) exit $$status ;; \
	esac
	@$(MAKE) --no-print-directory deb
	@EDGE_DEBIAN_PACKAGE=1 $(CARGO) test --locked -p edge-tests --test debian_package -- --nocapture

machine: setup-long deb ## The product on a whole emulated machine: a systemd that runs, a TPM, an encrypted disk; needs root
	@$(CARGO) build --locked --workspace --bins
	@EDGE_MACHINE=1 $(CARGO) test --locked -p edge-tests --test machine -- --nocapture

arm64: ## The agent and the center for aarch64 boards, in target/arm64; needs root once, for packages
	@edge-agent/setup/arm64 install
	@CARGO=$(CARGO) CARGO_TARGET_DIR=$(TARGET)/arm64 edge-agent/setup/arm64 cargo \
		build --locked --release --bin edge-agent --bin rtcc
	@cp -u "$$(edge-agent/setup/arm64 onnxruntime)" $(TARGET)/arm64/aarch64-unknown-linux-gnu/release/
	@file -b $(TARGET)/arm64/aarch64-unknown-linux-gnu/release/edge-agent

deb: build ## A Debian package of the agent for this machine's architecture, in target/debian
	@if [[ ! -x $(TOOLS)/cargo-deb-$(CARGO_DEB)/bin/cargo-deb ]]; then \
		echo 'installing cargo-deb $(CARGO_DEB) once (some minutes)'; \
		$(CARGO) install --quiet --locked --no-default-features --root $(TOOLS)/cargo-deb-$(CARGO_DEB) \
			cargo-deb@$(CARGO_DEB); fi
	@PATH="$(dir $(CARGO)):$$PATH" $(TOOLS)/cargo-deb-$(CARGO_DEB)/bin/cargo-deb --locked --no-build -p edge-agent

image: ## The board's image and its signed bundle: MACHINE=qemuarm64, raspberrypi5 or jetson-orin-nano; needs a network
	@yocto/image $(or $(MACHINE),qemuarm64)

image-check: ## The layer: lints, and parse and task graph where the upstream layers are; EDGE_DRY=1 a dry run too
	@yocto/check

clippy:
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
		$(CARGO) clippy --locked --workspace --all-targets --quiet -- -D warnings; \
		$(CARGO) clippy --locked --workspace --all-targets --all-features --quiet -- -D warnings; \
	else echo 'SKIPPED lints: this compiler comes without clippy'; fi

deny:
	@$(CARGO) metadata --locked --format-version 1 | edge-agent/setup/msrv
	@$(CARGO) metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null
	@if [[ ! -x $(TOOLS)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny ]]; then \
		echo 'installing cargo-deny $(CARGO_DENY) once (some minutes)'; \
		$(CARGO) install --quiet --locked --root $(TOOLS)/cargo-deny-$(CARGO_DENY) cargo-deny@$(CARGO_DENY); fi
	@PATH="$(dir $(CARGO)):$$PATH" $(TOOLS)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny --locked check bans licenses sources
	@said=$$(PATH="$(dir $(CARGO)):$$PATH" timeout 60 $(TOOLS)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny --locked check advisories 2>&1) || { \
		if [[ $$? == 124 || $$said == *'failed to fetch advisory database'* ]]; then \
			echo 'SKIPPED advisories: the database could not be reached'; \
		else echo "$$said"; exit 1; fi; }

fmt: ## Format the code
	@$(CARGO) fmt --all

models-check: setup-test ## Hashes, shapes, cards and metrics of the shipped models
	@python=$$(edge-agent/setup/python); cd models && ORT_DISABLE_TELEMETRY=1 $$python -m training check

model-tests: models-check
	@python=$$(edge-agent/setup/python); cd models && ORT_DISABLE_TELEMETRY=1 $$python -m pytest -q training/tests

train: setup-test ## Train a model: MODEL=plate-text DATA=FOLDER [OUT=FOLDER] [START=MODEL.onnx] [MINUTES=60]
	@python=$$(edge-agent/setup/python); cd models && ORT_DISABLE_TELEMETRY=1 $$python -m training train \
		--config training/configs/$(MODEL).toml --data "$(abspath $(DATA))" \
		--out "$(abspath $(or $(OUT),target/train/$(MODEL)))" \
		$(if $(START),--start "$(abspath $(START))") $(if $(MINUTES),--minutes $(MINUTES))

bench: setup-demo ## The table of numbers beside their references; ROW=name measures one, see benches/RESULTS.md
	@library=$$(edge-agent/setup/onnxruntime); \
	$(CARGO) build --locked --release --bin edge-agent --bin rtcc --bin bench; \
	cp -u "$$library" $(TARGET)/release/libonnxruntime.so
	@ORT_DISABLE_TELEMETRY=1 $(TARGET)/release/bench $(ROW)
