# shellcheck shell=bash
# The words of a scenario without a cable: the stick, a phone and a home's router, which only the air joins (guest/wifi).

# air_stick PATIENCE: the stick has no cable, and a configuration on standard input that begins with what is said here: a page without
# TLS and Wi-Fi, whose own network comes after so many seconds. Its log has all that wpa_supplicant says.
air_stick() {
    stick ip link set eth0 down
    {
        cat <<TOML
name = "kitchen"

[log]
level = "info,wifi=trace"

[web]
http = ["0.0.0.0:80"]
https = []
console = ""

[wifi]
country = "DE"
patience_seconds = $1
TOML
        cat
    } | stick_config
    vm_put "$REPOSITORY/rootfs-overlay/usr/lib/cloud-stick/lease" /usr/lib/cloud-stick/lease
    stick chmod +x /usr/lib/cloud-stick/lease
    stick mkdir -p /var/lib/cloud-stick
}

# home WORD...: the radios of the home.
home() { vm_run sh /share/guest/wifi "$@"; }

# mobile METHOD PATH [BODY]: a request of the page at $PHONE_AT, by the phone in the air; prints the answer, and fails if it is a refusal.
mobile() {
    home phone curl -sS --fail-with-body --max-time 60 -X "$1" -b /run/home/cookies -c /run/home/cookies \
        -H "x-csrf-token: ${PHONE_CSRF:-}" -H 'content-type: application/json' ${3+-d "$3"} "http://$PHONE_AT/api/v1$2"
}

# mobile_claims CODE; mobile_signs_in: at another address the phone is another browser.
mobile_claims() { PHONE_CSRF=$(mobile POST /claim "{\"code\": \"$1\", \"password\": \"four words in a row\"}" | field csrf_token); }
mobile_signs_in() {
    # A request costs the emulated machine more than a pause.
    sleep 1
    mobile POST /session '{"password": "four words in a row"}' >"$WORK/session" 2>/dev/null && PHONE_CSRF=$(field csrf_token <"$WORK/session")
}

# mobile_task_ended ID: the task has come to an end, which is in $WORK/task.
mobile_task_ended() { sleep 1 && mobile GET "/tasks/$1" >"$WORK/task" 2>/dev/null && [[ $(field state <"$WORK/task") != running ]]; }

# mobile_finds_it_in SSID: the page tells the phone that the stick is in this network; what it says is in $WORK/network.
mobile_finds_it_in() {
    sleep 1
    mobile GET /network >"$WORK/network" 2>/dev/null && field interfaces <"$WORK/network" | grep -q "\"ssid\": \"$1\""
}

# programs PATTERN: how many run on the stick whose command line matches; a bracket in it keeps it from matching itself.
programs() { stick sh -c 'ps | grep -c "$1" || true' sh "$1"; }

# expect_silence KEY...: the daemon ends, leaves no program of the radio's running, and has told its log none of these.
expect_silence() {
    local key
    expect "the daemon ends well" stick_stop
    expect_equal "programs for the radio" 0 "$(programs '[w]lan0')"
    expect_equal "servers of addresses" 0 "$(programs '[u]dhcpd')"
    expect "the daemon's log has what wpa_supplicant says" grep -q 'CTRL-EVENT-CONNECTED' "$VM/share/daemon.log"
    for key in "$@"; do expect_not "a key is in the daemon's log" grep -qF "$key" "$VM/share/daemon.log"; done
}
