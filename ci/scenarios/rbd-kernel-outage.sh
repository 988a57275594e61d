# shellcheck shell=bash
# A stick on the kernel's rbd client whose cluster is full, and then away: what is written fails in time and with words, and
# works again by itself.

ceph_start
ceph_run rbd create --size 64M films
vm_start
forward_ceph
DISK_SETTING='deadline_seconds = 5' stick_with_rbd 'client = "kernel"' films
stick_start
tv_wait_disk 0 >/dev/null
give_bytes
fails() { ! stick_write_bytes "$1"; }
told() { stick grep -q "$1" /share/daemon.log; }
stick_write_bytes 0

step "the cluster is full"
ceph_run ceph osd set-nearfull-ratio 0.00001
ceph_run ceph osd set-backfillfull-ratio 0.00002
ceph_run ceph osd set-full-ratio 0.00003
wait_until 120 "a write to fail" fails 4
expect "the stick says why" told "no space left"
ceph_run ceph osd set-full-ratio 0.95
ceph_run ceph osd set-backfillfull-ratio 0.90
ceph_run ceph osd set-nearfull-ratio 0.85
wait_until 120 "a write to succeed" stick_write_bytes 4
# An OSD that restarts before the monitor knows that it is not full any more does not come up again (Ceph 18).
roomy() { ! ceph_run ceph osd dump | grep -q '^osd.0 .*full'; }
wait_until 120 "the monitor to know it as well" roomy

step "the cluster is away"
ceph_power_cut
begin=$SECONDS
expect_not "a write succeeds" stick_write_bytes 8
expect "it failed in time" test $((SECONDS - begin)) -lt 30
expect "the stick says why" told "not answered within 5s"
ceph_again
wait_until 120 "a write to succeed" stick_write_bytes 8

step "everything that was acknowledged is there"
expect_not "the daemon ends as if nothing had failed" stick_stop
expect "it says what did" told "did not reach the store"
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_bytes_in "$WORK/films.img" 0 4 8
