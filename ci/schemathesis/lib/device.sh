# shellcheck shell=bash
# A device with an owner, a store and a disk, on this machine, without a USB side.

# device_start: sets DEVICE (its address), TOKEN, HOME_OF_DEVICE.
device_start() {
    local port program
    program=${GADGET_MANAGER:-}
    if [[ -z $program ]]; then
        (cd "$REPOSITORY" && cargo build --quiet --locked --package gadget-manager)
        program=$TARGET/debug/gadget-manager
    fi
    HOME_OF_DEVICE=$(mktemp -d "${TMPDIR:-/tmp}/schemathesis.XXXXXX")
    DEVICE_LOG=$TARGET/test-logs/schemathesis-daemon.log
    mkdir -p "$TARGET/test-logs" "$HOME_OF_DEVICE"/{etc,state,run,images}
    free_port port
    DEVICE=http://127.0.0.1:$port
    cat >"$HOME_OF_DEVICE/etc/gadget-manager.toml" <<TOML
state_dir = "$HOME_OF_DEVICE/state"
run_dir = "$HOME_OF_DEVICE/run"

[web]
http = ["127.0.0.1:$port"]
https = []
announce = false
console = ""

[[store]]
name = "card"
type = "file"
folder = "$HOME_OF_DEVICE/images"
TOML
    cp "$program" "$HOME_OF_DEVICE/gadget-manager"
    as_nobody=()
    if [[ $(id -u) -eq 0 ]]; then
        # Made-up settings name made-up folders: they are not to be made on this machine.
        chown -R 65534:65534 "$HOME_OF_DEVICE"
        as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    fi
    setpriv --pdeathsig KILL -- "${as_nobody[@]}" "$HOME_OF_DEVICE/gadget-manager" \
        --config "$HOME_OF_DEVICE/etc/gadget-manager.toml" run </dev/null >"$DEVICE_LOG" 2>&1 &
    DEVICE_PID=$!
    device_wait "the device to answer" curl -sf -o /dev/null "$DEVICE/api/v1/hello"
    device_claim
}

# device_wait WHAT COMMAND...
device_wait() {
    local what=$1 end=$((SECONDS + 60))
    shift
    until "$@"; do
        kill -0 "$DEVICE_PID" 2>/dev/null || die "the device ended while waiting for $what" "$(tail -n 5 "$DEVICE_LOG")"
        ((SECONDS < end)) || die "still waiting for $what" "$(tail -n 5 "$DEVICE_LOG")"
        sleep 0.1
    done
}

# api METHOD PATH [BODY]: one request of the owner; prints the answer.
api() {
    curl -sS --fail-with-body -X "$1" -b "$HOME_OF_DEVICE/cookies" -c "$HOME_OF_DEVICE/cookies" \
        -H "x-csrf-token: ${CSRF:-}" -H 'content-type: application/json' ${3+-d "$3"} "$DEVICE/api/v1$2" ||
        die "$1 $2 failed" "$(tail -n 5 "$DEVICE_LOG")"
}

# field NAME: of the JSON object on the input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# The owner's part, as the page does it: claim, a token, a disk in the store.
device_claim() {
    local code
    code=$(field claim_code <"$HOME_OF_DEVICE/state/web/access.json")
    CSRF=$(api POST /claim "{\"code\": \"$code\", \"password\": \"four words in a row\"}" | field csrf_token)
    # shellcheck disable=SC2034 # used by run
    TOKEN=$(api POST /tokens '{"name": "schemathesis", "read_only": false}' | field secret)
    api POST /stores/card/images '{"name": "films", "size": 67108864, "filesystem": {"type": "fat", "label": "FILMS", "table": "mbr"}}' >/dev/null
    device_wait "the image" test -s "$HOME_OF_DEVICE/images/films"
    device_wait "the task" device_idle
    api POST /disks '{"name": "films", "store": "card", "image": "films", "read_only": false, "insert": false}' >/dev/null
}

device_idle() {
    api GET /tasks | python3 -c 'import json, sys; sys.exit(any(task["state"] == "running" for task in json.load(sys.stdin)))'
}

# device_alive: it runs, and met no fault of its own.
device_alive() {
    kill -0 "$DEVICE_PID" 2>/dev/null || { say "error: the device ended" "$(tail -n 20 "$DEVICE_LOG")" && return 1; }
    ! grep -n 'panicked' "$DEVICE_LOG" || { say 'error: the device met a fault of its own (above)' && return 1; }
}

# device_stop: a clean end.
device_stop() {
    local code=0
    kill -TERM "$DEVICE_PID"
    wait "$DEVICE_PID" || code=$?
    DEVICE_PID=
    [[ $code -eq 0 ]] || die "the device ended with code $code" "$(tail -n 5 "$DEVICE_LOG")"
}

device_end() {
    [[ -z ${DEVICE_PID:-} ]] || kill -KILL "$DEVICE_PID" 2>/dev/null || true
    rm -rf --one-file-system "${HOME_OF_DEVICE:?}"
}
