# make run    builds, starts an engine unless one runs, runs a first container
# make test   installs what the tests need, passes all tests
# make bench  the figures beside those of Docker and crun; QUICK=1: in a few minutes
# make check  what needs no root: formatting, lints, tidiness, layers, unit tests       make fix  mends what can be mended
# Both commands install missing Debian packages when they run as root.

PEERS ?= /var/tmp/peers
GANTRY_TEST_DIR ?= /var/tmp/gantry-test
PROFILE ?= ci
export PEERS GANTRY_TEST_DIR

BUILD_TOOLS = gcc libc6-dev make
TEST_TOOLS = $(BUILD_TOOLS) busybox-static ca-certificates curl debootstrap dpkg e2fsprogs iproute2 iptables kmod \
  libc-bin mount nftables openssl patchelf procps python3 strace tar uidmap util-linux xz-utils
TARGET_DIR = $(shell cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: run test check fix test-tools test-images peers bench

run:
	@tools/need.sh $(BUILD_TOOLS)
	@cargo build --quiet --release --package gantry
	@tools/run.sh $(TARGET_DIR)/$(TRIPLE)/release/gantry

test: test-tools peers test-images
	cargo build --profile $(PROFILE) --workspace --bins
	cargo test --profile $(PROFILE) --workspace --no-fail-fast

check:
	cargo xtask verify

fix:
	cargo xtask fix

test-tools:
	@tools/need.sh $(TEST_TOOLS)

peers: $(PEERS)/.fetched

$(PEERS)/.fetched:
	@mkdir -p $(PEERS)
	@PEERS=$(PEERS) bench/peers.sh fetch >$(PEERS)/fetch.log 2>&1 || { cat $(PEERS)/fetch.log; exit 1; }
	@touch $@

test-images: $(GANTRY_TEST_DIR)/images/.made

$(GANTRY_TEST_DIR)/images/.made:
	@mkdir -p $(GANTRY_TEST_DIR)/images
	@python3 bench/mkimages.py $(GANTRY_TEST_DIR)/images >$(GANTRY_TEST_DIR)/images.log 2>&1 || { tail $(GANTRY_TEST_DIR)/images.log; exit 1; }
	@touch $@

# The figures of the engine beside Docker's; see bench/compare.sh
bench: test-tools peers test-images
	@cargo build --quiet --release --package gantry
	@bench/compare.sh $(if $(QUICK),--quick) $(TARGET_DIR)/$(TRIPLE)/release/gantry
