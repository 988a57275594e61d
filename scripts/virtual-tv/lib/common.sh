# shellcheck shell=bash
# What every script of the virtual TV shares: messages, the cache folder, retries.

RIG=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPOSITORY=$(cd "$RIG/../.." && pwd)
# Everything downloaded or built from downloads lives here, outside the checkout, shared by all checkouts.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cloud-stick
# Where cargo builds, and where logs go.
TARGET=${CARGO_TARGET_DIR:-target}
[[ $TARGET = /* ]] || TARGET=$REPOSITORY/$TARGET
# What was built for the guest, stripped.
PROGRAMS=$TARGET/virtual-tv/bin
# A fresh rustup is in PATH only after the next login.
PATH=$PATH:${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin
# A real MPEG film of 4.5 MB in the public domain (CC0), which `prepare` takes from a Debian package.
FILM=$CACHE/virtual-tv/film.mpg
export RIG REPOSITORY CACHE TARGET PROGRAMS FILM

say() { printf '%s\n' "$*" >&2; }

# in_charge COMMAND...: runs a command that makes a process group of its own (timeout), which nobody reaches who stops this script's: what
# ends this script ends the command, and is waited for. Its exit code.
in_charge() {
    local command code
    "$@" </dev/null &
    command=$!
    trap 'kill -TERM "$command" 2>/dev/null' TERM INT HUP
    wait "$command" && code=0 || code=$?
    # A signal ends the wait, not what is waited for.
    while kill -0 "$command" 2>/dev/null; do wait "$command" && code=0 || code=$?; done
    trap - TERM INT HUP
    return "$code"
}

# help SCRIPT: the comment at its top.
help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1"; }

# die MESSAGE...: the message on stderr, one line per argument, and the end of the script.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [[ $# -eq 0 ]] || printf '       %s\n' "$@" >&2
    scenario_line
    exit 1
}

# scenario_line: which line of the scenario is being played, if one is.
scenario_line() {
    local frame
    [[ -n ${VIRTUAL_TV_SCENARIO:-} ]] || return 0
    for frame in "${!BASH_SOURCE[@]}"; do
        [[ ${BASH_SOURCE[frame]} = "$VIRTUAL_TV_SCENARIO" ]] || continue
        say "       at line ${BASH_LINENO[frame - 1]} of $VIRTUAL_TV_SCENARIO: $(sed -n "${BASH_LINENO[frame - 1]}p" "$VIRTUAL_TV_SCENARIO")"
        return
    done
}

# retry TIMES COMMAND...: runs the command until it succeeds, with a growing pause between attempts.
retry() {
    local times=$1 attempt
    shift
    for ((attempt = 1; ; attempt++)); do
        "$@" && return 0
        ((attempt < times)) || return 1
        say "attempt $attempt of $times failed; trying again in $((attempt * ${RETRY_PAUSE:-5})) s"
        sleep "$((attempt * ${RETRY_PAUSE:-5}))"
    done
}

# as_root COMMAND...: runs the command as root, through sudo when needed.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root rights are needed for: $*" "Run that command as root, then start again."
    fi
}

# free_port VARIABLE: a TCP port of the loopback interface that nobody listens on, and that no other scenario or test is given
# until this shell ends: reserved by a lock on a file, as tests do it (crates/testkit/src/port.rs), and below the ports that
# the kernel gives to outgoing connections.
free_port() {
    local folder number lock
    folder=${TMPDIR:-/tmp}/cloud-stick-ports-$(id -u)
    [[ -d $folder ]] || mkdir -m 700 "$folder" 2>/dev/null || true
    for number in $(shuf -i 21000-30999); do
        exec {lock}<>"$folder/$number"
        if flock -n "$lock" && ! (: <>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
            printf -v "$1" %s "$number"
            return
        fi
        exec {lock}>&-
    done
    die 'no free TCP port on 127.0.0.1' 'Between 21000 and 31000 all are taken; what listens there: ss -ltn'
}
