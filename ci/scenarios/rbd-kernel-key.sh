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
writes() { stick dd if=/tmp/data of=/dev/ublkb0 bs=1M oflag=direct,seek_bytes seek="$(($1 << 20))" conv=notrunc 2>/dev/null; }
writes 0

step "the key is taken away, and the cluster restarts"
user=client.$(ceph_fact user)
ceph_run ceph auth get "$user" >"$WORK/keyring"
ceph_run ceph auth del "$user"
ceph_kill osd.0
ceph_kill mon.a
ceph_revive mon.a
ceph_revive osd.0
expect_not "a write succeeds" writes 8

step "it is given back"
ceph_run ceph auth import -i "$WORK/keyring"
wait_until 180 "a write to succeed" writes 8
stick_stop || true
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
ceph_run rbd export --no-progress films "$WORK/films.img"
for mib in 0 8; do
    expect "the image holds it" cmp -n $((4 << 20)) -i 0:$((mib << 20)) "$WORK/data" "$WORK/films.img"
done
