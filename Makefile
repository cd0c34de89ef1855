# make run      runs a real Asterisk, a gateway played by sipp, and the daemon, until Ctrl-C
# make demo     runs the daemon with a simulated Asterisk; needs nothing but Rust
# make test     runs every check and every test
# make chaos    breaks everything on purpose, many times, and measures how long it takes to recover
# make fuzz     searches for input that breaks a property
# make bench    measures, and prints which targets are met
# make compare  compares six ways to make one Asterisk call
# make deny     checks dependencies against the newest security advisories
#
# Each installs what it needs (as root, with apt-get), or says what is missing.

.PHONY: run demo test setup setup-tests bench compare setup-compare fuzz chaos deny clean

VENV := .cache/venv
AXE := .cache/axe/axe_playwright_python/axe.min.js
DENY := .cache/cargo-deny/bin/cargo-deny

run: setup
	cargo build --release --quiet
	@asterisk/run

demo:
	cargo build --quiet
	@asterisk/demo

test: setup setup-tests
	cargo fmt --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo clippy --no-default-features --quiet -- -D warnings
	$(DENY) --offline --log-level error check licenses bans sources
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --quiet
	cargo test --workspace --quiet

# One benchmark has thousands of readers of the event stream, hence the limit on open files.
bench: setup $(VENV)-compare/.complete
	asterisk/pbx setup
	ulimit -n $$(ulimit -Hn) && cargo bench --quiet $(foreach name,codec daemon engine load scaling post,--bench $(name))

# Also measures the pace in front of Asterisk. Writes the charts of docs/performance.md: make compare ARGS='--svg docs'
compare: setup setup-compare
	cargo bench --quiet --bench compare -- $(ARGS)

# Fetches the database of advisories from GitHub.
deny: setup $(DENY)
	$(DENY) check

$(DENY):
	cargo install --quiet --locked --root .cache/cargo-deny cargo-deny@0.20.2

# Searches for input that breaks a property in crates/properties: make fuzz SECONDS=600
fuzz: setup
	@asterisk/need c++:g++
	fuzz/run $(or $(SECONDS),60)

# make chaos ROUNDS=100 STEPS=30000000
chaos: setup setup-tests
	tests/chaos/run

# A C compiler for the TLS library and SQLite, curl to try the API by hand, ss to find free ports.
setup:
	@asterisk/need cargo:rustup cc:gcc:libc6-dev curl:curl ss:iproute2

# cargo fetch, because cargo-deny reads the crates of every platform and a build fetches only this one's.
setup-tests: setup-compare $(VENV)/.complete $(AXE) $(DENY)
	@asterisk/need promtool:prometheus prometheus:prometheus systemd-analyze:systemd nginx:nginx \
		chromedriver:chromium-driver:chromium
	cargo fetch --locked --quiet
	cargo fetch --locked --quiet --manifest-path benches/peers/Cargo.toml
	@asterisk/pbx setup --version 22
	@asterisk/pbx setup --version 16

setup-compare: $(VENV)-compare/.complete
	@asterisk/pbx setup --version 22

# The programs that make compare compares the daemon with.
$(VENV)-compare/.complete: $(VENV)/.complete
	python3 -m venv $(VENV)-compare
	$(VENV)-compare/bin/pip install --quiet --disable-pip-version-check 'flask>=3.1,<4' 'aiohttp>=3,<4' 'panoramisk>=1.4,<2'
	@touch $@

# The tests play bots with the library that real bots use.
$(VENV)/.complete:
	@asterisk/need python3:python3:python3-venv
	@python3 -c 'import ensurepip' 2>/dev/null || asterisk/need --always python3-venv
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'requests>=2.32,<3'
	@touch $@

# axe-core finds accessibility barriers on the operators' page. This package brings it without Node.
$(AXE): $(VENV)/.complete
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .cache/axe \
		axe-playwright-python==0.1.8
	@touch $@

clean:
	@[ ! -d .run ] || asterisk/pbx down --all
	cargo clean --quiet
	rm -rf .cache .run
