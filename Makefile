# make run    sets up and runs the real thing: Asterisk, a gateway played by sipp, the daemon
# make demo   the daemon with a simulated Asterisk: needs nothing but Rust
# make test   sets up and passes every test
# make bench  measures, and says which targets are met
#
# Both install what they need (as root, with apt-get), and say what is missing where they cannot.

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
	$(DENY) --offline --log-level error check licenses bans sources
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --quiet
	cargo test --workspace --quiet

# Thousands follow the event stream in one of them.
bench: setup $(VENV)-compare/.complete
	asterisk/pbx setup
	ulimit -n $$(ulimit -Hn) && cargo bench --quiet $(foreach name,codec daemon engine load scaling post,--bench $(name))

# Six ways to have the same Asterisk make calls, and the pace in front of it: make compare ARGS='--svg docs'
compare: setup setup-compare
	cargo bench --quiet --bench compare -- $(ARGS)

# With the advisories, whose database is fetched from GitHub.
deny: setup $(DENY)
	$(DENY) check

$(DENY):
	cargo install --quiet --locked --root .cache/cargo-deny cargo-deny@0.20.2

# Looks for input that breaks what crates/properties promises: make fuzz SECONDS=600
fuzz: setup
	@asterisk/need c++:g++
	fuzz/run $(or $(SECONDS),60)

# Breaks everything on purpose, many times over, and measures how long it takes to recover: make chaos ROUNDS=100
chaos: setup setup-tests
	tests/chaos/run

# A C compiler (for the TLS library's assembly), curl to try it by hand, ss to find free ports.
setup:
	@asterisk/need cargo:rustup cc:gcc:libc6-dev curl:curl ss:iproute2

# cargo-deny looks at the crates of every platform; a build fetches only this one's.
setup-tests: setup-compare $(VENV)/.complete $(AXE) $(DENY)
	@asterisk/need promtool:prometheus prometheus:prometheus systemd-analyze:systemd nginx:nginx \
		chromedriver:chromium-driver:chromium
	cargo fetch --locked --quiet
	cargo fetch --locked --quiet --manifest-path benches/peers/Cargo.toml
	@asterisk/pbx setup --version 22
	@asterisk/pbx setup --version 16

setup-compare: $(VENV)-compare/.complete
	@asterisk/pbx setup --version 22

# What the daemon is compared with.
$(VENV)-compare/.complete: $(VENV)/.complete
	python3 -m venv $(VENV)-compare
	$(VENV)-compare/bin/pip install --quiet --disable-pip-version-check 'flask>=3.1,<4' 'aiohttp>=3,<4' 'panoramisk>=1.4,<2'
	@touch $@

# The bots' side is played by the library that bots use.
$(VENV)/.complete:
	@asterisk/need python3:python3:python3-venv
	@python3 -c 'import ensurepip' 2>/dev/null || asterisk/need --always python3-venv
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check 'requests>=2.32,<3'
	@touch $@

# What looks for barriers on the operators' page: axe-core, out of a package that needs no Node.
$(AXE): $(VENV)/.complete
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .cache/axe \
		axe-playwright-python==0.1.8
	@touch $@

clean:
	@[ ! -d .run ] || asterisk/pbx down --all
	cargo clean --quiet
	rm -rf .cache .run
