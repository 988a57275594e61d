# shellcheck shell=bash
# Disks through the kernel's rbd client: who has an image, who is fenced, and what remains of a process that died.

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none vm_start
forward_ceph
stick_install_check rbd-check

step "who has an image, and who had"
ceph_facts | vm_pipe rbd-check owners
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
expect_equal "no complaint of the kernel" "" "$(stick sh -c 'dmesg | grep -E "WARNING:|BUG:|Oops|hung task" || true')"
