# shellcheck shell=bash
# A stick on the kernel's rbd client whose cluster is full, and then away: what is written fails in time and with words, and
# works again by itself.

ceph_start
ceph_run rbd create --size 64M films
vm_start
forward_ceph
{
    toml_rbd 'client = "kernel"' films
    echo 'deadline_seconds = 5'
    toml_luns films
} | stick_config
printf '[store.ceph]\nkey = "%s"\n' "$(ceph_key "$(ceph_fact user)")" | stick_secrets
stick_start
tv_wait_disk 0 >/dev/null
head -c 4M /dev/urandom >"$WORK/data"
vm_put "$WORK/data" /tmp/data
# writes MIB: writes the data there, below the TV, which would only learn of an error when it ejects the stick.
writes() { stick dd if=/tmp/data of=/dev/ublkb0 bs=1M oflag=direct,seek_bytes seek="$(($1 << 20))" conv=notrunc 2>/dev/null; }
fails() { ! writes "$1"; }
told() { stick grep -q "$1" /share/daemon.log; }
writes 0

step "the cluster is full"
ceph_run ceph osd set-nearfull-ratio 0.00001
ceph_run ceph osd set-backfillfull-ratio 0.00002
ceph_run ceph osd set-full-ratio 0.00003
wait_until 120 "a write to fail" fails 4
expect "the stick says why" told "no space left"
ceph_run ceph osd set-full-ratio 0.95
ceph_run ceph osd set-backfillfull-ratio 0.90
ceph_run ceph osd set-nearfull-ratio 0.85
wait_until 120 "a write to succeed" writes 4
# An OSD that restarts before the monitor knows that it is not full any more does not come up again (Ceph 18).
roomy() { ! ceph_run ceph osd dump | grep -q '^osd.0 .*full'; }
wait_until 120 "the monitor to know it as well" roomy

step "the cluster is away"
ceph_power_cut
begin=$SECONDS
expect_not "a write succeeds" writes 8
expect "it failed in time" test $((SECONDS - begin)) -lt 30
expect "the stick says why" told "not answered within 5s"
ceph_again
wait_until 120 "a write to succeed" writes 8

step "everything that was acknowledged is there"
expect_not "the daemon ends as if nothing had failed" stick_stop
expect "it says what did" told "did not reach the store"
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
ceph_run rbd export --no-progress films "$WORK/films.img"
for mib in 0 4 8; do
    expect "the image holds it" cmp -n $((4 << 20)) -i 0:$((mib << 20)) "$WORK/data" "$WORK/films.img"
done
