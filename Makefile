# make run    installs what is missing, builds, and talks with the bundled model
# make test   installs what is missing, builds, and runs every test
# make build  the program at build/release/fathom
# make quickstart  trains a small model from nothing in about five minutes, and lets it write
.PHONY: run quickstart build test install asan tsan fuzz format check bench clean

JOBS ?= $(shell nproc)

run: build
	build/release/fathom chat --model models/helper --temperature 0.3

quickstart: build
	recipes/quickstart/run.sh

build: install
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target fathom

test: install
	cmake --preset release
	cmake --build --preset release -j $(JOBS)
	ctest --preset release
	$(MAKE) fuzz FUZZ_SECONDS=10

asan tsan: install
	cmake --preset $@
	cmake --build --preset $@ -j $(JOBS)
	ctest --preset $@

# A short run of every fuzz target over its seed corpus; scripts/fuzz.sh runs one for long. Clang builds the targets and
# the libraries that they link, nothing else.
FUZZ_SECONDS ?= 20
fuzz: install
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS) --target fuzz_targets
	FATHOM_FUZZ_SECONDS=$(FUZZ_SECONDS) ctest --preset fuzz -j $(JOBS)

install:
	@scripts/install_packages.sh

format:
	git ls-files '*.h' '*.cc' | xargs clang-format -i

# Formatting, the order of includes between the floors, and the size of files.
check: install
	scripts/check_format.sh
	scripts/check_layers.py
	scripts/check_sizes.py

# Matrix products beside oneDNN; docs/performance.md says how to measure whole models.
bench: build
	cmake --build --preset release -j $(JOBS) --target fathom_kernels_bench
	OMP_NUM_THREADS=1 DNNL_MAX_CPU_ISA=AVX512_CORE_BF16 build/release/fathom_kernels_bench

clean:
	rm -rf build
