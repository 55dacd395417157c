# The recipes are the steps of tests/run, one by one.

# Everything.
test:
    tests/run

fmt:
    cargo fmt --all

lint:
    tests/run fmt clippy

unit:
    tests/run test

doc:
    tests/run doc

deny:
    tests/run tools deny

# The main job.
quickstart *args:
    cargo run --example quickstart -- {{args}}
