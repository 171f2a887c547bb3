# https://just.systems: `just` lists the recipes. Each is a command that may as well be typed.

list:
    @just --list --unsorted

# Format everything.
fmt:
    cargo fmt --all

# What clippy and typos say.
lint:
    cargo clippy --workspace --all-targets -- -D warnings
    if command -v typos >/dev/null; then typos; fi

# Tests, fast: `just test -p cairn-storage conformance`.
test *args:
    cargo nextest run {{ if args == "" { "--workspace" } else { args } }}

# The documentation, as `cargo doc` prints it, without a warning.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, layers, sources and advisories; the last need github.com.
deny:
    cargo deny check --hide-inclusion-graph -A unused-wrapper

# Aborts the host at every failpoint, restarts it, checks.
crash:
    cargo test -p cairn --features failpoints --test crash -- --nocapture

# kill -9 at random instants, so many of each verb, on a local disk, S3 and HDFS: `just kill 300 7`.
kill kills="50" seed="1":
    CAIRN_KILLS={{ kills }} CAIRN_KILL_SEED={{ seed }} cargo test --workspace --test network killed

# Every decoder, `seconds` each. Needs cargo-fuzz; stable rust will do.
fuzz seconds="60":
    for target in $(cargo fuzz list --fuzz-dir storage/repository/fuzz); do RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir storage/repository/fuzz $target -- -max_total_time={{ seconds }} || exit 1; done

# Measures: `just bench quick`.
bench *args="quick":
    cargo build --release -p cairn -p cairn-bench
    cargo run --release -p cairn-bench -- {{ args }}

# A server that works, Prometheus and Grafana on it: see grafana/README.md.
dash:
    grafana/dash

# Exactly what CI runs.
ci:
    .ci/run
