# shellcheck shell=bash
# The words of a scenario: the stick (device side), the TV (host side) and expectations. Servers: servers.sh; what the
# stick's configuration says: configuration.sh. Files and what must become of them: trees.sh. A phone in the same network: phone.sh, with
# the page in a browser: browser.sh; in the air: air.sh.

# shellcheck source=vm.sh
. "$RIG/lib/vm.sh"
# shellcheck source=servers.sh
. "$RIG/lib/servers.sh"
# shellcheck source=configuration.sh
. "$RIG/lib/configuration.sh"
# shellcheck source=trees.sh
. "$RIG/lib/trees.sh"
# shellcheck source=phone.sh
. "$RIG/lib/phone.sh"
# shellcheck source=browser.sh
. "$RIG/lib/browser.sh"
# shellcheck source=air.sh
. "$RIG/lib/air.sh"

# step WHAT: a heading in the scenario's output and in its timeline.
step() {
    local now=0
    [[ -z ${VM_BEGIN:-} ]] || now=$(seconds_since "$VM_BEGIN")
    say "== [$now s] $*"
    printf '== [%s s] %s\n' "$now" "$*" >>"$VM/timeline"
}

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

# tv_stick_number: prints the number that the TV gave the stick when it was plugged in; another one after each replug.
tv_stick_number() { tv sh -c 'cat /sys/bus/usb/devices/*-1/devnum'; }
# tv_disk LUN: prints the block device (/dev/sda) behind this LUN of the stick.
tv_disk() { vm_run sh /share/guest/tv disk "$1"; }

# tv_wait_disk LUN [SECONDS]: waits until the TV sees a medium in this LUN, and prints its block device.
tv_wait_disk() { vm_run sh /share/guest/tv wait-disk "$1" "${2:-150}"; }

# tv_wait_no_medium LUN [SECONDS]: waits until the LUN is empty or gone.
tv_wait_no_medium() { vm_run sh /share/guest/tv wait-no-medium "$1" "${2:-150}"; }

# tv_wait_size LUN BYTES: waits until the TV sees a medium of this size. tv_wait_gone LUN: until no such disk is there.
tv_wait_size() { vm_run sh /share/guest/tv wait-size "$1" "$2"; }
tv_wait_gone() { vm_run sh /share/guest/tv wait-gone "$1"; }

# tv_written DEVICE: MiB that the TV has sent to this disk. tv_wait_written DEVICE MIB: waits until it is so many.
tv_written() { vm_run sh /share/guest/tv written "$1"; }
tv_wait_written() { vm_run sh /share/guest/tv wait-written "$1" "$2"; }

# Every line of the kernel log that tells of a stick that left, was reset or failed.
tv_disturbances() { vm_run sh /share/guest/tv disturbances; }

# cable_out, cable_in: the plug, by the power of the TV's port. (The other end, soft_connect of the device controller,
# is no use here: dummy_hcd 6.12 does not enumerate a gadget again that went by it.)
cable_out() { vm_run sh /share/guest/tv cable 1; }
cable_in() { vm_run sh /share/guest/tv cable 0; }

# stick_install: puts gadget-manager into the guest.
stick_install() {
    [[ ! -e $VM/installed ]] || return 0
    local program=${GADGET_MANAGER:-$PROGRAMS/gadget-manager}
    [[ -x $program ]] || die "$program is missing" "Build it with scripts/virtual-tv/build."
    vm_put_program "$program" gadget-manager
    touch "$VM/installed"
}

# stick_install_check NAME: puts one of the programs into the guest that try out a crate of ours (scripts/virtual-tv/build).
stick_install_check() {
    [[ -x $PROGRAMS/$1 ]] || die "$PROGRAMS/$1 is missing" "Build it with scripts/virtual-tv/build --checks."
    vm_put_program "$PROGRAMS/$1" "$1"
}

# gadget_manager ARGUMENTS...: runs a command of it on the stick, with the scenario's configuration.
gadget_manager() {
    stick_install
    stick gadget-manager --config "$CONFIG" "$@"
}

# forward_ceph: makes the cluster of ceph_start reachable in the guest, at the addresses under which its daemons know
# themselves: 127.0.0.1 and their ports. For programs and for the kernel's own client alike.
forward_ceph() { vm_run sh /share/guest/forward "$(ceph_fact ports)"; }

# stick_start: starts the daemon. stick_stop: SIGTERM, waits, returns its exit code. stick_kill: SIGKILL.
stick_start() {
    stick_install
    stick sh /share/guest/stick start "$CONFIG"
}
stick_stop() { stick sh /share/guest/stick stop; }
stick_kill() { stick sh /share/guest/stick kill; }
stick_reload() { stick sh /share/guest/stick reload; }
stick_running() { stick sh /share/guest/stick running; }

# tv_format DEVICE LABEL: FAT32 with clusters of 2 KiB (sticks have 4 or more): with the 512 bytes that mkfs.vfat takes for
# disks of our size, most of what is written would be tables. FAT32 with them has 128 MiB at least; take 160.
tv_format() { tv mkfs.vfat -F 32 -s 4 -n "$2" "$1"; }

# tv_partition DISK: waits for the first partition of a disk that has just come, and prints what blkid knows of it.
tv_partition() {
    wait_until 60 "the partition" tv sh -c 'blockdev --rereadpt "$1" 2>/dev/null; test -b "${1}1"' sh "$1"
    tv blkid -p "${1}1"
}

# tv_mount DEVICE, tv_unmount: as a TV mounts a stick (names in UTF-8).
tv_mount() { tv mount -t vfat -o iocharset=utf8 "$1" /mnt/tv; }
tv_unmount() { tv umount /mnt/tv; }

# tv_eject_at_last DEVICE: the TV ejects the medium of LUN 0, nothing disturbed it all the time, and the daemon ends well.
tv_eject_at_last() {
    tv eject "$1"
    tv_wait_no_medium 0
    expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
    expect "the daemon ends well" stick_stop
}

# tv_forget: the TV's kernel forgets what it has read, so that the next read comes from the stick.
tv_forget() { vm_run sh -c 'sync; echo 3 >/proc/sys/vm/drop_caches'; }

collect_logs() {
    [[ -n ${VM_PID:-} ]] || return 0
    cp "$VM/timeline" "$1/timeline.log" 2>/dev/null
    if kill -0 "$VM_PID" 2>/dev/null && [[ -e $VM/share/ready ]]; then
        VM_TIMEOUT=20
        (vm_run dmesg >"$1/kernel.log" 2>&1) || true
    fi
    cp "$VM/console.log" "$1/console.log" 2>/dev/null
    cp "$VM/share/daemon.log" "$1/daemon.log" 2>/dev/null
}
