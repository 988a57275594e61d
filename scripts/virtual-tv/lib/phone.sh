# shellcheck shell=bash
# The words of a scenario that act as a phone in the same network: this machine asks the page's server what the page asks it.
# The guest needs VM_PORTS=$PAGE_PORT, and toml_page in its configuration; or PHONE_HOST is an address of its own.

# toml_page: the page at $PAGE_PORT, without TLS.
toml_page() {
    cat <<TOML
[web]
http = ["0.0.0.0:$PAGE_PORT"]
https = []
allowed_hosts = ["127.0.0.1"]
announce = false
console = ""
TOML
}

# phone METHOD PATH [BODY]: a request of the page; prints the answer, and fails if it is a refusal.
phone() {
    curl -sS --fail-with-body --max-time 120 -X "$1" -b "$WORK/cookies" -c "$WORK/cookies" -H "x-csrf-token: ${PHONE_CSRF:-}" \
        ${PHONE_HOST:+-H "Host: $PHONE_HOST"} -H 'content-type: application/json' ${3+-d "$3"} "http://127.0.0.1:$PAGE_PORT/api/v1$2"
}

# phone_refused CODE METHOD PATH [BODY]: the request is refused with this code of the API; prints the answer.
phone_refused() {
    local answer code=$1
    shift
    if answer=$(phone "$@" 2>/dev/null); then die "expected: $1 $2 is refused with $code" "got: $answer"; fi
    [[ $(field code <<<"$answer") = "$code" ]] || die "expected: $1 $2 is refused with $code" "got: $answer"
    printf '%s\n' "$answer"
}

# phone_waits: until the page's server answers.
phone_waits() { wait_until 60 "the page to be open" curl -s --max-time 10 -o "$WORK/answer" "http://127.0.0.1:$PAGE_PORT/api/v1/hello"; }

# stick_claim_code: prints the claim code, as who has the stick's card finds it.
stick_claim_code() { stick sed -n 's/.*"claim_code": *"\([^"]*\)".*/\1/p' /var/lib/cloud-stick/web/access.json; }

# tv_mount_setup: waits for the setup stick to be in, and mounts it. (A kernel that has just seen a medium come may still be reading its
# partition table; and until the stick comes back with it, its place may still have the disk of before, which goes at any moment.)
tv_mount_setup() {
    wait_until 150 "the setup stick to be mounted" tv sh -c '
        disk=$(sh /share/guest/tv disk 0) && dd if="$disk" of=/dev/null bs=2048 count=1 iflag=direct 2>/dev/null &&
        { blockdev --rereadpt "$disk" 2>/dev/null; mount -t vfat -o iocharset=utf8 "${disk}1" /mnt/tv 2>/dev/null; } &&
        { test -e "/mnt/tv/READ ME.txt" || { umount /mnt/tv && false; }; }'
}

# tv_eject_setup: as a person does it who has dropped something on it, or not. tv_setup_says PATTERN: it came back with a report that
# says this, and is mounted.
tv_eject_setup() {
    tv_unmount
    tv eject "$(tv_disk 0)"
}
tv_setup_says() {
    tv_mount_setup
    expect_match "the report" "$(tv cat /mnt/tv/report.txt)" "$1"
}

# tv_claim_code: prints the claim code as who sits before the TV finds it: on the setup stick.
tv_claim_code() {
    tv_mount_setup
    tv cat "/mnt/tv/READ ME.txt" | grep -oE '[2-9A-HJ-KMNP-TV-Z]{4}-[2-9A-HJ-KMNP-TV-Z]{4}' | head -n 1
    tv_unmount
}

# phone_claims [FIELDS]: makes the phone the owner; FIELDS is "code": "…" as JSON, or nothing where none is needed.
phone_claims() {
    local answer
    answer=$(phone POST /claim "{${1:+$1, }\"password\": \"four words in a row\"}")
    PHONE_CSRF=$(field csrf_token <<<"$answer")
}

# phone_task_ended ID: it succeeded, or the scenario fails.
phone_task_ended() {
    local task
    task=$(phone GET "/tasks/$1")
    case $(field state <<<"$task") in
    succeeded) ;;
    running) return 1 ;;
    *) die "expected: the task succeeds" "got: $task" ;;
    esac
}

# field NAME...: of the JSON value on the input; a number is the place in a list.
field() {
    python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    value = value[int(name)] if isinstance(value, list) else value[name]
print(value if isinstance(value, str) else json.dumps(value))' "$@"
}
