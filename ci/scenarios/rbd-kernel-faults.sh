# shellcheck shell=bash
# A stick on the kernel's rbd client, and what may happen to it: the daemon is killed, the cluster's daemon is killed, and
# somebody else takes the image.

ceph_start
ceph_run rbd create --size 64M films
vm_start
forward_ceph
stick_with_rbd 'client = "kernel"' films
stick_start
disk=$(tv_wait_disk 0)
head -c 24M /dev/urandom >"$WORK/data"
vm_put "$WORK/data" /tmp/data
mapping() { stick sh -c 'cat /sys/bus/rbd/devices/*/client_id'; }
client=$(mapping)

step "the TV writes; the daemon dies in the middle, and then the cluster's OSD"
tv dd if=/tmp/data of="$disk" bs=64k oflag=direct conv=fsync &
writer=$!
tv_wait_written "$disk" 4
stick_kill
expect "the writer waits" kill -0 "$writer"
stick_start
tv_wait_written "$disk" 12
ceph_kill osd.0
expect "the writer waits" kill -0 "$writer"
ceph_revive osd.0
expect "the writer finishes without an error" wait "$writer"
expect_equal "the mapping of the dead daemon is used again" "$client" "$(mapping)"
tv_forget
expect "the TV reads what it wrote" tv cmp -n $((24 << 20)) /tmp/data "$disk"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
ceph_run rbd export --no-progress films "$WORK/before"
expect "the image holds it" cmp -n $((24 << 20)) "$WORK/data" "$WORK/before"

step "somebody else takes the image"
owner=$(ceph_run rbd lock ls films --format json)
locker=$(field 0 locker <<<"$owner")
cookie=$(field 0 id <<<"$owner")
ceph_run ceph osd blocklist add "$(field 0 address <<<"$owner")"
ceph_run rbd lock rm films "$cookie" "$locker"
fenced() { stick grep -q 'fenced' /share/daemon.log; }
wait_until 60 "the stick to notice that it is fenced" fenced
tv dd if=/tmp/data of="$disk" bs=64k count=1 seek=100 oflag=direct 2>/dev/null || true
ceph_run rbd export --no-progress films "$WORK/after"
expect "the image is as its new owner found it" cmp "$WORK/before" "$WORK/after"
stick_stop || true
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
