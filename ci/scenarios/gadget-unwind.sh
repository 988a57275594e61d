# shellcheck shell=bash
# Each step of creating a gadget is made to fail, by strace on a real kernel, and configfs must be empty afterwards.

# One command, many processes under strace: slow on a busy machine.
# shellcheck disable=SC2034 # vm.sh reads it
VM_TIMEOUT=600
vm_start
stick_install_check gadget-checks
stick env RUST_BACKTRACE=1 gadget-checks unwind
