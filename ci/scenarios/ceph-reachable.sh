# shellcheck shell=bash
# The rig proves itself: the kernel's Ceph client in the guest uses an image of a cluster on the test machine. No gadget-manager.

ceph_start
ceph_run rbd create --size 64M film
VM_SPEED=none vm_start
forward_ceph

step "the guest's kernel maps the image as the restricted user"
stick modprobe -a crc32c_generic rbd
# rbd_map MONITOR OPTIONS
rbd_map() {
    # The key goes in by the input: it is no argument of anything. (One major number for all devices is the module's default;
    # its plain `add` then refuses.)
    printf '%s name=%s,secret=%s,%s %s film' "$1" "$(ceph_fact user)" "$(ceph_key "$(ceph_fact user)")" "$2" "$(ceph_fact pool)" |
        vm_pipe sh -c 'cat >/sys/bus/rbd/add_single_major'
}
rbd_unmap() { stick sh -c 'echo 0 >/sys/bus/rbd/remove_single_major'; }
rbd_map "$(ceph_fact monitors_v1)" ms_mode=legacy
expect_equal "the size of the image" $((64 << 20)) "$(stick blockdev --getsize64 /dev/rbd0)"

step "what the guest writes is in the cluster"
head -c 9000001 /dev/urandom >"$WORK/data"
vm_pipe dd of=/dev/rbd0 bs=64k iflag=fullblock conv=fsync <"$WORK/data" 2>/dev/null
stick sh -c 'echo 3 >/proc/sys/vm/drop_caches'
expect_equal "the guest reads the same back" "$(sha256sum <"$WORK/data")" \
    "$(stick head -c 9000001 /dev/rbd0 | sha256sum)"
ceph_run rbd export --no-progress film "$WORK/export"
expect "rbd export has the same bytes" cmp -n 9000001 "$WORK/data" "$WORK/export"
expect_equal "and the size of the image" $((64 << 20)) "$(stat -c %s "$WORK/export")"

step "the cluster loses power and comes back"
ceph_power_cut
stick sh -c 'dd if=/dev/rbd0 of=/tmp/back bs=1M count=8 skip=1 iflag=direct 2>/dev/null' &
reader=$!
ceph_again
expect "the read that waited is answered" wait "$reader"
vm_get /tmp/back "$WORK/back"
expect "with the right bytes" cmp -i 1048576:0 -n 7900000 "$WORK/data" "$WORK/back"

step "unmapped, and mapped by messenger version 2"
rbd_unmap
expect_not "the device is gone" stick test -e /dev/rbd0
rbd_map "$(ceph_fact monitors)" ms_mode=crc
expect_equal "the same bytes" "$(sha256sum <"$WORK/data")" "$(stick head -c 9000001 /dev/rbd0 | sha256sum)"
rbd_unmap
