# shellcheck shell=bash
# Each step of creating a gadget is made to fail, by strace on a real kernel, and configfs must be empty afterwards; also where the
# daemon is told to end while it makes one.

# One command, many processes under strace: slow on a busy machine.
# shellcheck disable=SC2034 # vm.sh reads it
VM_TIMEOUT=600
vm_start
stick_install_check gadget-checks
stick env RUST_BACKTRACE=1 gadget-checks unwind

step "told to end while the gadget is made"
stick mkdir -p /data/disks
{ toml_files films && toml_luns films; } | stick_config
stick_install
# Making it takes longer than everything else takes to end.
vm_pipe sh -c 'mv /usr/local/bin/gadget-manager /usr/local/bin/in-time && cat >/usr/local/bin/gadget-manager && chmod 755 /usr/local/bin/gadget-manager' <<'SCRIPT'
#!/bin/sh
exec strace -D -f -qq -o /dev/null -e trace=symlink,symlinkat -e inject=symlink,symlinkat:delay_enter=8s in-time "$@"
SCRIPT
stick_start
expect "the daemon ends well" stick sh /share/guest/stick stop-early
expect_equal "no gadget is left behind" "" "$(stick ls /sys/kernel/config/usb_gadget)"
