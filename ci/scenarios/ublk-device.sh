# shellcheck shell=bash
# The ublk front end on a real kernel: what is advertised, what arrives, errors, deadlines, taking over, removal.

# One command for all checks, on a machine that may be busy.
# shellcheck disable=SC2034 # vm.sh reads it
VM_TIMEOUT=600
# There are as many queues as processors.
VM_CPUS=2 VM_SPEED=none VM_MODULES=ublk_drv vm_start
stick_install_check ublk-check

step "what the kernel has"
stick ublk-check support

step "every check, in the guest"
stick_script <<'END'
timeout 580 ublk-check checks 2>/tmp/checks.log || { tail -n 60 /tmp/checks.log >&2; exit 1; }
END

step "nothing is left, and the kernel had no complaint"
expect_equal "no device left" "" "$(stick ls /sys/class/ublk-char)"
expect_equal "no warning of the kernel" "" "$(stick sh -c 'dmesg | grep -E "WARNING:|BUG:|Oops|hung task|general protection" || true')"
