# shellcheck shell=bash
# Each step of creating a gadget is made to fail, by strace on a real kernel, and configfs must be empty afterwards.

(cd "$REPOSITORY" && cargo build --quiet --locked --package gadget --example gadget-checks)
strip -o "$WORK/gadget-checks" "$TARGET/debug/examples/gadget-checks"

# One command, many processes under strace: slow on a busy machine.
# shellcheck disable=SC2034 # vm.sh reads it
VM_TIMEOUT=600
vm_start
vm_put "$WORK/gadget-checks" /tmp/gadget-checks
stick env RUST_BACKTRACE=1 /tmp/gadget-checks unwind
