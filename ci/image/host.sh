# shellcheck shell=sh
# The USB host's side of the tests: read by the emulated board's shell, whose kernel is the host too (dummy_hcd).

# disk LUN: the block device behind this LUN of the stick.
disk() {
    for node in /sys/class/block/sd*; do
        case $(readlink -f "$node/device" 2>/dev/null) in
        */usb*/*:"$1") echo "/dev/${node##*/}" && return ;;
        esac
    done
    return 1
}

# has_medium LUN: sd looks for a new medium only when it is asked.
has_medium() { device=$(disk "$1") && dd if="$device" of=/dev/null bs=4096 count=1 2>/dev/null; }

# wait_disk LUN: until there is a medium. Who calls this has a limit of time. Not looking all the time: that would take the processor from
# what is waited for.
wait_disk() { until has_medium "$1"; do sleep 2; done; }

# block NUMBER: 64 KiB that only this number has.
block() { yes "block $1 of the film" | head -c 65536; }

# write_blocks LUN FROM TO: one after the other, each flushed down to its store before it is told of.
write_blocks() {
    device=$(disk "$1")
    number=$2
    while [ "$number" -le "$3" ]; do
        block "$number" | dd of="$device" bs=64k seek="$number" iflag=fullblock conv=notrunc,fsync 2>/dev/null || return
        echo "flushed $1 $number"
        number=$((number + 1))
    done
}

# check_blocks LUN FROM TO: what lies there is what was written, not what this kernel remembers of it.
check_blocks() {
    device=$(disk "$1")
    echo 3 >/proc/sys/vm/drop_caches
    number=$2
    while [ "$number" -le "$3" ]; do
        block "$number" >/tmp/wanted
        dd if="$device" bs=64k skip="$number" count=1 2>/dev/null | cmp - /tmp/wanted || {
            echo "block $number of LUN $1 is not what was written"
            return 1
        }
        number=$((number + 1))
    done
}
