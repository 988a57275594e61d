# shellcheck shell=bash
# What scripts/bench-page --vm plays: Chromium on this machine opens the page of a new device in the guest, again and again.
page_start
step "cold loads, nothing cached"
(
    export PAGE_ADDRESS=http://127.0.0.1:$PAGE_PORT
    exec "$REPOSITORY/ci/node/run" npm --prefix "$REPOSITORY/web-ui" run --silent measure
) </dev/null
expect "the daemon ends well" stick_stop
