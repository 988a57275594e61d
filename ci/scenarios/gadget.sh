# shellcheck shell=bash
# The gadget crate on a real kernel: both sides of the cable are looked at by crates/gadget/examples/gadget-checks.

mkdir "$WORK/cd"
echo hello >"$WORK/cd/hello.txt"
# A CD has 300 sectors at least.
truncate -s 1M "$WORK/cd/zeroes"
xorriso -as mkisofs -quiet -o "$WORK/cd.iso" "$WORK/cd"

vm_start
stick_install_check gadget-checks
vm_put "$WORK/cd.iso" /tmp/cd.iso
stick modprobe -a sg loop isofs
stick sh -c 'echo 5f2b6a0e9c1d4f6f8f0a1b2c3d4e5f60 >/etc/machine-id'

for check in support enumeration self-powered states busy eight-luns cdrom swap locked host-eject refused stalled \
    leftovers adopt; do
    step "$check"
    stick env RUST_BACKTRACE=1 gadget-checks "$check"
done

step "no controller"
stick rmmod dummy_hcd
stick gadget-checks no-udc
