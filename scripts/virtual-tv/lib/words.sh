# shellcheck shell=bash
# The words of a scenario: the stick (device side), the TV (host side) and expectations. Servers: servers.sh.

# shellcheck source=vm.sh
. "$RIG/lib/vm.sh"
# shellcheck source=servers.sh
. "$RIG/lib/servers.sh"

step() { say "== $*"; }

# expect WHAT COMMAND...: the scenario fails with WHAT unless the command succeeds.
expect() {
    local what=$1
    shift
    "$@" || die "expected: $what" "failed: $*"
}

# expect_not WHAT COMMAND...: the scenario fails with WHAT if the command succeeds.
expect_not() {
    local what=$1
    shift
    ! "$@" || die "expected: $what" "succeeded: $*"
}

# expect_equal WHAT WANTED GOT
expect_equal() { [[ $2 = "$3" ]] || die "expected: $1" "wanted: $2" "got:    $3"; }

# expect_match WHAT TEXT REGULAR-EXPRESSION (extended, ignoring case)
expect_match() { grep -qiE -- "$3" <<<"$2" || die "expected: $1" "wanted a match of: $3" "got: $2"; }

# A command on the stick's or on the TV's side. Both are the same machine: the names say who acts.
stick() { vm_run "$@"; }
tv() { vm_run "$@"; }
stick_script() { vm_script; }
tv_script() { vm_script; }

# tv_disk LUN: prints the block device (/dev/sda) behind this LUN of the stick.
tv_disk() { vm_run sh /share/guest/tv disk "$1"; }

# tv_wait_disk LUN [SECONDS]: waits until the TV sees a medium in this LUN, and prints its block device.
tv_wait_disk() { vm_run sh /share/guest/tv wait-disk "$1" "${2:-60}"; }

# tv_wait_no_medium LUN [SECONDS]: waits until the LUN is empty or gone.
tv_wait_no_medium() { vm_run sh /share/guest/tv wait-no-medium "$1" "${2:-60}"; }

# Every line of the kernel log that tells of a stick that left, was reset or failed.
tv_disturbances() { vm_run sh /share/guest/tv disturbances; }

# cable_out, cable_in: the plug. The device's side of it, as the board's pull-up resistor does it.
cable_out() { vm_run sh /share/guest/stick cable disconnect; }
cable_in() { vm_run sh /share/guest/stick cable connect; }

collect_logs() {
    [[ -n ${VM_PID:-} ]] || return 0
    if kill -0 "$VM_PID" 2>/dev/null && [[ -e $VM/share/ready ]]; then
        VM_TIMEOUT=20
        (vm_run dmesg >"$1/kernel.log" 2>&1) || true
    fi
    cp "$VM/console.log" "$1/console.log" 2>/dev/null
    cp "$VM/share/daemon.log" "$1/daemon.log" 2>/dev/null
}
