# shellcheck shell=bash
# The gadget crate on a real kernel, its life and its cable: both sides are looked at by crates/gadget/examples/gadget-checks.

vm_start
stick_install_check gadget-checks
stick modprobe -a sg loop
stick sh -c 'echo 5f2b6a0e9c1d4f6f8f0a1b2c3d4e5f60 >/etc/machine-id'

for check in support enumeration self-powered states replug busy leftovers adopt; do
    step "$check"
    stick env RUST_BACKTRACE=1 gadget-checks "$check"
done

step "no controller"
stick rmmod dummy_hcd
stick gadget-checks no-udc
