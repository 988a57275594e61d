# shellcheck shell=bash
# A device that nobody has set up gets a disk in a Ceph cluster by three files that are dropped on the setup stick: the configuration, and
# ceph.conf and keyring as the cluster's administrator has them.

ceph_start
ceph_run rbd create --size 64M films
vm_start
forward_ceph
printf '[web]\nhttp = ["0.0.0.0:8080"]\nhttps = []\nannounce = false\nconsole = ""\n' | stick_config
stick_start

# drop NAME: what comes on the input, onto the setup stick. drop_files: all three, the keyring from the input.
drop() { vm_pipe sh -c 'cat >"/mnt/tv/$1"' sh "$1"; }
drop_files() {
    drop stick.keyring
    grep -E '^\[global\]|^[[:space:]]*(fsid|mon_host) = ' "$CEPH/ceph.conf" | drop ceph.conf
    {
        printf '[[store]]\nname = "ceph"\ntype = "rbd"\npool = "%s"\n' "$(ceph_fact pool)"
        toml_disks ceph films
        toml_luns films
    } | drop gadget-manager.toml
}
key=$(ceph_key "$(ceph_fact user)")

step "with a key that is not right nothing changes"
tv_mount_setup
printf '[client.%s]\n\tkey = %s\n' "$(ceph_fact user)" "AQABAgMEBQYHCBAABwcHBwcHBwcHBwcHBwcHBw==" | drop_files
tv_eject_setup
tv_setup_says 'Nothing was changed'
expect_match "it says why" "$(tv cat /mnt/tv/report.txt)" 'with this key'
expect_not "anything changed" stick grep -q ceph "$CONFIG"

step "with the right one the device is set up"
drop_files <"$CEPH/ceph.client.$(ceph_fact user).keyring"
tv_eject_setup
tv_setup_says 'The device is set up'
expect "the key is in the file of secrets" stick grep -qF "$key" /etc/cloud-stick/secrets.toml
expect_not "and on no page" tv grep -rqF "$key" /mnt/tv

step "ejected once more, the disk takes its place"
tv_eject_setup
tv_wait_size 0 $((64 << 20))
disk=$(tv_disk 0)
tv dd if=/dev/urandom of="$disk" bs=64k count=16 conv=fsync 2>/dev/null
sum=$(tv head -c 1048576 "$disk" | sha256sum)
tv eject "$disk"
tv_wait_no_medium 0
expect "the daemon ends well" stick_stop
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_equal "what the TV wrote is in the cluster" "$sum" "$(head -c 1048576 "$WORK/films.img" | sha256sum)"
