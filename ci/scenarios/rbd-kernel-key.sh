# shellcheck shell=bash
# A stick on the kernel's rbd client whose key is taken away, and given back: writes fail in time meanwhile, and work again by
# themselves.

ceph_start
# Tickets are good for seconds instead of hours.
ceph_run ceph config set global auth_service_ticket_ttl 20
ceph_run ceph config set global auth_mon_ticket_ttl 40
ceph_run rbd create --size 64M films
vm_start
forward_ceph
DISK_SETTING='deadline_seconds = 5' stick_with_rbd 'client = "kernel"' films
stick_start
tv_wait_disk 0 >/dev/null
give_bytes
stick_write_bytes 0

step "the key is taken away, and the cluster restarts"
user=client.$(ceph_fact user)
ceph_run ceph auth get "$user" >"$WORK/keyring"
ceph_run ceph auth del "$user"
ceph_kill osd.0
ceph_kill mon.a
ceph_revive mon.a
ceph_revive osd.0
begin=$SECONDS
expect_not "a write succeeds" stick_write_bytes 8
expect "it failed in time" test $((SECONDS - begin)) -lt 30
expect "the stick says why" stick grep -q "not answered within 5s" /share/daemon.log

step "it is given back"
ceph_run ceph auth import -i "$WORK/keyring"
wait_until 180 "a write to succeed" stick_write_bytes 8
expect_not "the daemon ends as if nothing had failed" stick_stop
expect "it says what did" stick grep -q "did not reach the store" /share/daemon.log
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_bytes_in "$WORK/films.img" 0 8
