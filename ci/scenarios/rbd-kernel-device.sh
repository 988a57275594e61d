# shellcheck shell=bash
# Disks through the kernel's rbd client: what is particular to it, and the conformance suite.

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none vm_start
forward_ceph
stick_install_check rbd-check
facts() {
    printf 'monitors=v2:%s\nuser=%s\nkey=%s\npool=%s\ndata_pool=%s\n' "$(ceph_fact monitors)" "$(ceph_fact user)" \
        "$(ceph_key "$(ceph_fact user)")" "$(ceph_fact pool)" "$(ceph_fact data_pool)"
}

step "what is particular to the kernel's client"
facts | vm_pipe rbd-check behaviour

step "the conformance suite"
facts | vm_pipe rbd-check --operations "${OPERATIONS:-100}" usual data-pool clone
