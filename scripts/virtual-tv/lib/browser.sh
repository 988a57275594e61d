# shellcheck shell=bash
# The owner's phone with the page itself: Chromium on this machine, led by Playwright, before the stick in the guest. The guest
# needs VM_PORTS="$PAGE_PORT $PAGE_TLS_PORT", and stick_page in its configuration.

# browser ACT [NAME=VALUE...]: plays web-ui/e2e/tv/ACT.spec.ts, which is told these values. The phone stays signed in from one act to
# the next. Fails as the act does; pictures of the failure are among the scenario's logs.
browser() {
    local act=$1
    shift
    "$REPOSITORY/scripts/build-page" --packages
    (
        # shellcheck disable=SC2163 # they are names with values
        export PAGE_ADDRESS=http://127.0.0.1:$PAGE_PORT PHONE_SESSION=$WORK/phone.json PHONE_SAYS=$WORK/phone.says \
            PHONE_RESULTS=$VIRTUAL_TV_LOGS/browser "$@"
        # It ends with this shell, however this shell ends; and its browser with it.
        exec env -C "$REPOSITORY/web-ui" setpriv --pdeathsig TERM -- "$REPOSITORY/ci/node/run" \
            node node_modules/@playwright/test/cli.js test --config e2e/tv.config.ts "/$act.spec.ts"
    ) >&2 </dev/null || die "the phone cannot do what it should: $act" "Pictures are in $VIRTUAL_TV_LOGS/browser."
}

# browser_begin ACT [NAME=VALUE...]: the same beside the scenario; returns when the act says that it is ready. browser_end: waits for its
# end.
browser_begin() {
    rm -f "$WORK/phone.says"
    browser "$@" &
    BROWSER_PID=$!
    wait_until 240 "the phone to be ready" browser_ready
}
browser_ready() {
    kill -0 "$BROWSER_PID" 2>/dev/null || die "the phone could not do what it should"
    [[ -e $WORK/phone.says ]]
}
browser_end() {
    expect "the phone sees what it should" wait "$BROWSER_PID"
    BROWSER_PID=
}
browser_stop() { [[ -z ${BROWSER_PID:-} ]] || kill "$BROWSER_PID" 2>/dev/null || true; }

# browser_sets_up STORE [NAME=VALUE...]: from a new device to a stick in the TV, with what the form of the store asks for and the wishes
# SIZE_GB, FILESYSTEM (FAT32, exFAT, None) and LABEL. The code comes from the setup stick, as the TV shows it.
browser_sets_up() {
    browser setup STORE="$1" CLAIM_CODE="$(tv_claim_code)" PASSWORD="four words in a row" "${@:2}"
}

# page_start: a new device with the page at two ports; returns when it answers.
page_start() {
    free_port PAGE_PORT
    free_port PAGE_TLS_PORT
    VM_PORTS="$PAGE_PORT $PAGE_TLS_PORT" vm_start
    echo 'name = "new"' | stick_config
    stick_page
    stick_start
    phone_waits
}
