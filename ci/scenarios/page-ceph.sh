# shellcheck shell=bash
# From power-on to a stick in a Ceph cluster with the page in a browser: what the owner pastes is all that the device needs, and the TV
# gets a stick with exFAT, which Ceph's own tools find in the pool.

ceph_start
page_start
forward_ceph

step "the phone makes a stick of a Ceph image"
conf=$(echo '[global]' && grep -E '^[[:space:]]*(fsid|mon_host) = ' "$CEPH/ceph.conf")
browser_sets_up ceph SIZE_GB=0.3 FILESYSTEM=exFAT LABEL='Long films' CEPH_CONF="$conf" \
    KEYRING="$(cat "$CEPH/ceph.client.$(ceph_fact user).keyring")" POOL="$(ceph_fact pool)"

step "the TV has it, formatted, and copies a film to it"
tv_wait_size 0 $((286 << 20))
disk=$(tv_disk 0)
expect_match "the file system" "$(tv_partition "$disk")" 'LABEL="Long films".*TYPE="exfat"'
tv_copy_film "${disk}1" -t exfat -o iocharset=utf8
expect "a clean file system" tv fsck.exfat -n "${disk}1"
tv eject "$disk"
tv_wait_no_medium 0
expect "the daemon ends well" stick_stop

step "the image is in the pool, and nobody has it any more"
expect_match "its size" "$(ceph_run rbd info films)" 'size 286 MiB'
expect_equal "its owners" "" "$(ceph_run rbd lock ls films)"
