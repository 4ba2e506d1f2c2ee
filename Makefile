# The two commands of a newcomer, make demo and make test, and what they stand on.
# Everything lands in the checkout (.venv, .cache, build/<preset>), but for Debian packages that are
# missing: cmake/setup.sh installs them by apt-get, with sudo unless it runs as root, and says so.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-neon configure build build-neon demo synthetic quantize test check-images data-given asan tsan \
        test-sanitized fuzz check-format lint tune format clean train-setup test-training peers bench bench-quick \
        zoo zoo-setup zoo-narrow index readme-table trade-off costs package test-package wheel-setup wheel test-wheel \
        wheel-aarch64 test-wheel-aarch64 docs-setup docs ray-setup test-ray test-report dist test-dist
.NOTPARALLEL:

JOBS ?= $(shell nproc)
# CI turns warnings into errors; at home a new compiler's warning does not stop anybody.
WERROR ?= $(if $(CI),ON,OFF)

CMAKE := .venv/bin/cmake
CTEST := .venv/bin/ctest
CTEST_FLAGS := --output-on-failure --no-tests=error -j $(JOBS)
MODEL := models/int8/resnet20_block_d58_cifar10_int8.onnx
SAMPLES := apps/samples
CLASSIFY := build/release/apps/classify/classify

say = @echo "make $@: $(1)"

help:  ## Say what each target does
	@grep -hE '^[a-z0-9 -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9 -]+):.*## /  make \1\t/' | expand -t 28

setup:  ## Install what is missing: Debian packages (by sudo apt-get), Python packages into .venv
	@bash cmake/setup.sh host

setup-neon: setup
	@bash cmake/setup.sh neon

configure: setup
	$(call say,configuring build/release)
	@mkdir -p build
	@$(CMAKE) --preset release -DSLUICE_WERROR=$(WERROR) >build/configure-release.log 2>&1 \
	    || { cat build/configure-release.log; exit 1; }

build: configure  ## Configure and build the release preset
	$(call say,building all of build/release)
	@$(CMAKE) --build --preset release -j $(JOBS)

build-neon: build setup-neon
	$(call say,cross-compiling for AArch64 into build/neon)
	@$(CMAKE) --preset neon -DSLUICE_WERROR=$(WERROR) >build/configure-neon.log 2>&1 \
	    || { cat build/configure-neon.log; exit 1; }
	@$(CMAKE) --build --preset neon -j $(JOBS)

demo: configure  ## Classify the images of apps/samples with a gated ResNet-20 in int8 (setup may use sudo)
	$(call say,building classify in build/release (the first time minutes: its kernels are compiled))
	@$(CMAKE) --build --preset release -j $(JOBS) --target classify
	$(call say,classifying $(SAMPLES) with $(MODEL))
	@$(CLASSIFY) --model $(MODEL) $(SAMPLES)
	@echo "See the plan:  $(CLASSIFY) --model $(MODEL) --explain"
	@echo "See the masks: $(CLASSIFY) --model $(MODEL) --masks masks $(SAMPLES)"

comma := ,
SYNTHETIC_SCRIPTS := $(wildcard python/synthetic/*.py)
SYNTHETIC := $(foreach net,resnet20 resnet110 resnet18 resnet34,\
    $(foreach variant,dense lccl_d70 lccl_d50 lccl_d30 tiles_d70 tiles_d50 tiles_d30,build/synthetic/$(net)_$(variant)_synthetic.onnx)) \
    $(foreach net,resnet110 resnet18,build/synthetic/$(net)_blocks_d50_synthetic.onnx)

synthetic: $(SYNTHETIC)  ## Write untrained networks of set densities to build/synthetic, for timing

# resnet20_lccl_d70_synthetic: the network, its gates (lccl: per position, by a 3x3 branch; tiles: per
# tile of 4x4 outputs; blocks: per block, of grains 4-4-2-1 in ResNet-18 and of whole maps in
# ResNet-110), and their density in hundredths.
build/synthetic/%_synthetic.onnx: $(SYNTHETIC_SCRIPTS) | setup
	@mkdir -p $(@D)
	@.venv/bin/python python/synthetic/make_synthetic.py --net $(firstword $(subst _, ,$*)) \
	    $(if $(findstring _lccl_d,$*),--gate kxk-one) $(if $(findstring _tiles_d,$*),--gate tile) \
	    $(if $(findstring _blocks_d,$*),--gate block --grains $(if $(findstring resnet18_,$*),4$(comma)4$(comma)2$(comma)1,map)) \
	    $(if $(findstring _dense_,$*_),,--density 0.$(lastword $(subst _d, ,$*))) \
	    --output $@

quantize: setup  ## MODEL=FILE DATA=DIR OUTPUT=FILE [TEST=DIR]: write an int8 twin; docs/quantize.md says more
	@.venv/bin/python python/quantize/quantize.py --model "$(MODEL)" $(if $(DATA),--data "$(DATA)") \
	    $(if $(OUTPUT),--output "$(OUTPUT)") $(if $(TEST),--test "$(TEST)") \
	    $(if $(CALIBRATION),--calibration $(CALIBRATION)) $(if $(IMAGES),--images $(IMAGES)) \
	    $(if $(SEED),--seed $(SEED))

# One ctest over both trees, so that one line at the end speaks for all tests.
test: build build-neon  ## Build and run all tests, the AArch64 ones under QEMU
	@printf 'subdirs("release" "neon")\n' >build/CTestTestfile.cmake
	$(call say,running the tests of build/release and of build/neon)
	@$(CTEST) --test-dir build $(CTEST_FLAGS)

# The numbers of schedules/tuned, by measurement; make build afterwards compiles what changed.
tune: build  ## MODEL=FILE [DATA=DIR] [TARGET=T]: search for faster schedules of its kernels
	$(call say,tuning the kernels of $(MODEL))
	@build/release/apps/autotune/autotune --model $(MODEL) $(if $(DATA),--data $(DATA)) \
	    $(if $(TARGET),--target $(TARGET)) $(if $(BUDGET),--budget $(BUDGET))

# Both trees' own test of the networks, over other images than those of apps/samples.
COUNT ?= 500
CHECK_IMAGES := tests/session/test_session "the networks of models*"

check-images: data-given build build-neon  ## DATA=DIR: compare 500 images (COUNT=N) with ONNX Runtime
	$(call say,running ONNX Runtime on $(COUNT) images of $(DATA))
	@.venv/bin/python tests/session/make_cases.py . build/check-images \
	    --images "$(DATA)" --count $(COUNT)
	$(call say,running every target on them)
	@export SLUICE_SESSION_CASES="$(CURDIR)/build/check-images"; \
	    build/release/$(CHECK_IMAGES); qemu-aarch64-static build/neon/$(CHECK_IMAGES)

data-given:
	@test -d "$(DATA)" || { echo "make check-images: '$(DATA)' is no folder;" \
	    "pass DATA=DIR, laid out as DIR/CLASS/NAME.jpg" >&2; exit 2; }

asan tsan: build  ## Build and run the tests under a sanitizer
	$(call say,building and testing build/$@)
	@$(CMAKE) --preset $@
	@$(CMAKE) --build --preset $@ -j $(JOBS)
	@$(CTEST) --preset $@ -j $(JOBS)

# What reads files and what follows from them, the part of asan that CI has time for. Instrumented code
# draws warnings of GCC's that the plain build has not, so that they stop nobody here.
SANITIZED := graph onnx passes plan session
space := $(subst ,, )

test-sanitized: build  ## Run the tests of reader, passes, plan and session under ASAN and UBSAN
	$(call say,building build/asan)
	@$(CMAKE) --preset asan -DSLUICE_WERROR=OFF >build/configure-asan.log 2>&1 \
	    || { cat build/configure-asan.log; exit 1; }
	@$(CMAKE) --build --preset asan -j $(JOBS) --target $(SANITIZED:%=test_%)
	$(call say,running its tests)
	@$(CTEST) --preset asan -j $(JOBS) -R '^($(subst $(space),|,$(SANITIZED))):'

# Debian has libraries in the folder of their architecture, and other systems do not: the files of CMake and of
# pkg-config say where, so that each kind of package is of a configuration of its own. The last one stays.
pack = $(CMAKE) --preset release -DCMAKE_INSTALL_LIBDIR=$(2) >build/configure-release.log 2>&1 \
    || { cat build/configure-release.log; exit 1; }; $(CMAKE) --build --preset release -j $(JOBS); \
    .venv/bin/cpack -G $(1) --config build/release/CPackConfig.cmake -B "$(CURDIR)/build/packages"

package: build  ## Write an archive and Debian packages to build/packages; docs/c-api.md says more
	@bash cmake/setup.sh package
	$(call say,writing packages to build/packages)
	@rm -rf build/packages
	@$(call pack,DEB,lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH))
	@$(call pack,TGZ,lib)
	@rm -rf build/packages/_CPack_Packages

test-package: package  ## Test what is packed: contents, programs in C and C++, the one in C under valgrind
	$(call say,testing what is installed and what is packed)
	@.venv/bin/python tests/package/test_install.py . build/release $(CMAKE) .venv/bin/ninja valgrind
	@.venv/bin/python tests/package/test_packages.py build/packages

MINUTES ?= 30

fuzz: build  ## MINUTES=30 [SEED=N]: try models and images at random, two cores; docs/hacking.md says more
	@bash cmake/setup.sh fuzz
	$(call say,building build/fuzz)
	@$(CMAKE) --preset fuzz >build/configure-fuzz.log 2>&1 \
	    || { cat build/configure-fuzz.log; exit 1; }
	@$(CMAKE) --build --preset fuzz -j $(JOBS)
	$(call say,running libFuzzer and the mutator)
	@.venv/bin/python fuzz/campaign.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

CXX_FILES = $(shell git ls-files '*.cpp' '*.h')

check-format:  ## Check the format of the C++ files
	@bash cmake/setup.sh lint
	$(call say,clang-format)
	@clang-format --dry-run --Werror $(CXX_FILES)

lint: build check-format  ## Check format and clang-tidy
	$(call say,clang-tidy)
	@clang-tidy -p build/release --quiet $(filter runtime/%.cpp apps/%.cpp,$(CXX_FILES))

format:  ## Reformat the C++ files
	@bash cmake/setup.sh lint
	@clang-format -i $(CXX_FILES)

train-setup:  ## Install what training needs, PyTorch among it, into .venv-train
	@bash cmake/setup.sh train

test-training: train-setup  ## Run the tests of training/, a minute and a half on two cores
	$(call say,running the tests of training/)
	@cd training && ../.venv-train/bin/python -m pytest -q

peers:  ## Install the engines that the benchmark compares with, into .venv-peers
	@bash cmake/setup.sh peers

MODELS_PYTHON := .venv/bin/python python/models
TIMES ?=

index: setup  ## Write models/index.json from the cards and the files of models/
	@$(MODELS_PYTHON)/write_index.py

readme-table: setup  ## [TIMES=FILES]: write the tables of README and docs/benchmarks.md from the index and the benchmark's JSON
	@$(MODELS_PYTHON)/write_readme.py $(if $(TIMES),--times $(TIMES))

trade-off: train-setup  ## Write docs/trade-off.md and its plots: accuracy against milliseconds
	@.venv-train/bin/python python/models/trade_off.py

costs: build train-setup  ## TARGET=avx2: measure what gates save on this machine; nothing else may run
	@cd training && OMP_NUM_THREADS=1 ../.venv-train/bin/python measure_costs.py --target $(TARGET) \
	    $(if $(NETS),--net $(NETS)) $(if $(PRECISION),--precision $(PRECISION))

BENCHMARK := build/release/apps/benchmark/benchmark
PEERS := onnxruntime,openvino,ncnn
# What python/synthetic wrote there stands beside the trained networks.
BENCH_MODELS = $(sort $(wildcard models/*.onnx models/int8/*.onnx)) $(sort $(wildcard build/synthetic/*.onnx))

bench: build peers  ## Time the networks and kernels against the peers; writes build/benchmarks.md and docs/benchmarks.md
	$(call say,writing build/benchmarks.md$(comma) .json and .html)
	@$(BENCHMARK) --model $(BENCH_MODELS) --data $(SAMPLES) --peers $(PEERS) --layers --seconds 5 \
	    --json build/benchmarks.json --markdown build/benchmarks.md --html build/benchmarks.html
	@$(MODELS_PYTHON)/write_readme.py --times build/benchmarks.json

bench-quick: build peers  ## ResNet-20 in int8, dense and gated per block, on one thread against the peers, in a minute
	@$(BENCHMARK) --model models/int8/resnet20_dense_cifar10_int8.onnx models/int8/resnet20_block_d58_cifar10_int8.onnx \
	    --data $(SAMPLES) --peers $(PEERS) --seconds 3

zoo-setup:
	@bash cmake/setup.sh zoo

ZOO := .venv-zoo/bin/python python/zoo
only = $(if $(NETWORKS),--network $(NETWORKS))

zoo: configure zoo-setup  ## [NETWORKS="A B"]: export 39 networks from PyTorch, compare Sluice with ONNX Runtime
	$(call say,building run in build/release)
	@$(CMAKE) --build --preset release -j $(JOBS) --target run
	$(call say,exporting to build/zoo what is not there yet (some 40 minutes for all) and running it)
	@$(ZOO)/run_zoo.py --output build/zoo --run build/release/apps/run/run $(only)

zoo-narrow: zoo-setup  ## [NETWORKS="A B"]: write their narrow versions in tests/zoo/graphs again
	$(call say,exporting to build/zoo/narrow what is not there yet)
	@$(ZOO)/make_narrow.py --exports build/zoo/narrow --output tests/zoo/graphs $(only)

wheel-setup:
	@bash cmake/setup.sh wheel

# Another Python than 3.11, such as one of 3.12 or newer, whose wheel is for all from there on, gets what it
# needs by pip.
PYTHON ?=
HALIDE_HELPERS := $(CURDIR)/.venv/lib/python3.11/site-packages/halide/lib64/cmake/HalideHelpers

# $(1): the program that builds it; $(2): the build folder whose kernels it has.
build_wheel = echo "make $@: building the wheel in build/wheel"; mkdir -p build dist; rm -rf build/wheel/unrepaired; \
    $(1) --config-setting=build-dir=build/wheel/{wheel_tag} \
    --config-setting=cmake.define.SLUICE_KERNELS_FROM="$(CURDIR)/build/$(2)" \
    --config-setting=cmake.define.HalideHelpers_DIR="$(HALIDE_HELPERS)" . >build/wheel.log 2>&1 \
    || { tail -n 50 build/wheel.log; exit 1; }
repair_wheel = echo "make $@: repairing it: what it links and is not of every Linux comes in"; \
    PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" auditwheel repair $(1) --wheel-dir dist build/wheel/unrepaired/*.whl

wheel: configure wheel-setup  ## [PYTHON=python3.12]: build dist/*.whl, with the kernels of build/release
	$(call say,building the kernels in build/release)
	@$(CMAKE) --build --preset release -j $(JOBS) --target sluice_kernels
	@$(call build_wheel,$(or $(PYTHON),.venv-wheel/bin/python) -m pip wheel --quiet --no-deps \
	    $(if $(PYTHON),,--no-build-isolation) --wheel-dir build/wheel/unrepaired,release)
	@$(call repair_wheel,--strip)

# The module is for CPython 3.11. auditwheel strips by programs of this machine, so that the linker strips here.
wheel-aarch64: configure wheel-setup setup-neon  ## Cross-build dist/*_aarch64.whl, with the kernels of build/neon
	$(call say,building its kernels in build/neon)
	@$(CMAKE) --build --preset release -j $(JOBS) --target generators/all sluice_python_stubs
	@$(CMAKE) --preset neon -DSLUICE_WERROR=$(WERROR) >build/configure-neon.log 2>&1 \
	    || { cat build/configure-neon.log; exit 1; }
	@$(CMAKE) --build --preset neon -j $(JOBS) --target sluice_kernels
	@$(call build_wheel,SETUPTOOLS_EXT_SUFFIX=.cpython-311-aarch64-linux-gnu.so _PYTHON_HOST_PLATFORM=linux-aarch64 \
	    .venv-wheel/bin/python -m build --wheel --no-isolation --outdir build/wheel/unrepaired \
	    --config-setting=cmake.define.CMAKE_TOOLCHAIN_FILE="$(CURDIR)/cmake/neon-wheel.cmake" \
	    --config-setting=cmake.define.sluice-halide_generators_ROOT="$(CURDIR)/build/release" \
	    --config-setting=cmake.define.Protobuf_PROTOC_EXECUTABLE=/usr/bin/protoc,neon)
	@$(call repair_wheel)

test-wheel-aarch64: wheel-aarch64  ## Run that wheel under QEMU; its answers must be those of build/release
	@bash cmake/setup.sh wheel-aarch64
	@bash tests/wheel/test_wheel_aarch64.sh

test-wheel: wheel  ## [PYTHON=python3.12]: install dist/*.whl into an empty venv and an empty Debian 12 (as root), and test it there
	@bash tests/wheel/test_wheel.sh $(PYTHON)

docs-setup:
	@bash cmake/setup.sh docs

docs: docs-setup  ## Write the site to build/site, from docs/, the headers and the Python package
	$(call say,writing build/site)
	@mkdir -p build
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --site-dir build/site >build/docs.log 2>&1 \
	    || { cat build/docs.log; exit 1; }
	@echo "Read it: .venv-docs/bin/python -m http.server -d build/site, which the search needs, or build/site/index.html"

ray-setup:
	@bash cmake/setup.sh ray

test-ray: configure ray-setup  ## Install Ray into .venv-ray, and classify images by its workers
	$(call say,building the Python module in build/release)
	@$(CMAKE) --build --preset release -j $(JOBS) --target _core
	$(call say,running tests/ray)
	@.venv/bin/python tests/ray/run_tests.py . build/release/python

test-report: wheel  ## Make a page of sluice report by dist/*.whl and look at it in Chromium; build/report-test has pictures
	@bash cmake/setup.sh report
	$(call say,installing the wheel into .venv-report)
	@.venv-report/bin/python -m pip install --quiet --no-index --force-reinstall --no-deps \
	    "$$(ls -t dist/sluice_cnn-*-cp311-cp311-manylinux*_x86_64.whl | head -n 1)"
	@.venv-report/bin/python -m pip check
	@.venv-report/bin/python tests/report/test_page.py build/report-test

# All files have the time of the commit, so that the same commit gives the same bytes.
dist test-dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
SOURCE_NAME = sluice-$(shell sed -nE 's/^project.sluice VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)

dist:  ## [PYTHON=python3.12]: build all files of a release into dist/: wheels, packages, sources, checksums, components
	@said=$$(python3 python/release/check_release.py .) && echo "make $@: $$said"
	@bash cmake/setup.sh dist
	@rm -rf dist
	@$(MAKE) --no-print-directory wheel PYTHON=
	@$(if $(PYTHON),$(MAKE) --no-print-directory wheel PYTHON="$(PYTHON)")
	@$(MAKE) --no-print-directory package
	$(call say,collecting them in dist/)
	@cp build/packages/*.deb build/packages/*.tar.gz dist
	@git archive --format=tar --prefix=$(SOURCE_NAME)/ HEAD | gzip -9n >dist/$(SOURCE_NAME)-source.tar.gz
	@.venv-wheel/bin/python -m build --sdist --no-isolation --outdir dist . >build/sdist.log 2>&1 \
	    || { tail -n 50 build/sdist.log; exit 1; }
	@.venv-dist/bin/python python/release/write_sbom.py . dist $$SOURCE_DATE_EPOCH
	@cd dist && LC_ALL=C sha256sum * >SHA256SUMS
	@cat dist/SHA256SUMS

test-dist: dist  ## Test those files: their checksums, components, times and the paths that they must not have
	@.venv-dist/bin/python tests/release/test_files.py . dist $$SOURCE_DATE_EPOCH

clean:  ## Remove the build folders; .venv and .cache stay
	rm -rf build
