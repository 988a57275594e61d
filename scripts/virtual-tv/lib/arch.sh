# shellcheck shell=bash
# shellcheck disable=SC2034 # those who source this use them
# What differs between the processors of the guest. VIRTUAL_TV_ARCH chooses: amd64 (default), or arm, the boards' own
# (32 bits, ARMv7, Cortex-A7), on QEMU's machine `virt`.

# arch_select NAME: sets the GUEST_ variables.
#   GUEST_DEBIAN   Debian's name of the architecture      GUEST_TRIPLET  its folder for libraries
#   GUEST_SUITES   where its packages come from           GUEST_KERNEL   regular expression of its kernel's package
#   GUEST_PACKAGES packages besides guest-packages
#   GUEST_CRYPTO   its folder of kernel/arch with ciphers
#   GUEST_MACHINE  QEMU's program and machine             GUEST_CONSOLE  kernel parameters of its own
arch_select() {
    export VIRTUAL_TV_ARCH=$1
    case $1 in
    amd64)
        # gadget-manager links librbd here. For the boards there is none.
        GUEST_PACKAGES=librbd1
        GUEST_DEBIAN=amd64 GUEST_TRIPLET=x86_64-linux-gnu GUEST_CRYPTO=x86
        GUEST_SUITES=(bookworm bookworm-backports)
        GUEST_KERNEL='linux-image-6\.12\.[0-9]+\+deb12(\.[0-9]+)?-amd64'
        # Emulation copies memory one byte at a time where a newer processor (ERMS, FSRM), or this one with rep_good, makes
        # the kernel copy with `rep movsb`; and what newer ones have besides is slow without hardware.
        GUEST_MACHINE=(qemu-system-x86_64 -machine pc -accel 'tcg,thread=single' -cpu 'Nehalem,+rdrand,+rdseed')
        # On a busy machine the timer comes too late for the kernel's check of it.
        GUEST_CONSOLE='console=ttyS0 mitigations=off clearcpuid=rep_good tsc=unstable no_timer_check'
        ;;
    arm)
        # One suite: those that lie upon others are often behind for this architecture.
        GUEST_PACKAGES=
        GUEST_DEBIAN=armhf GUEST_TRIPLET=arm-linux-gnueabihf GUEST_CRYPTO=arm
        GUEST_SUITES=(trixie)
        GUEST_KERNEL='linux-image-6\.12\.[0-9]+\+deb13(\.[0-9]+)?-armmp'
        # This kernel has no LPAE: it cannot reach what lies above 4 GiB.
        GUEST_MACHINE=(qemu-system-arm -machine 'virt,highmem=off' -accel 'tcg,thread=single' -cpu cortex-a7)
        GUEST_CONSOLE='console=ttyAMA0'
        PROGRAMS=$TARGET/virtual-tv/bin-arm
        ;;
    *) die "there is no processor $1" "It is amd64 or arm." ;;
    esac
}

arch_select "${VIRTUAL_TV_ARCH:-amd64}"
