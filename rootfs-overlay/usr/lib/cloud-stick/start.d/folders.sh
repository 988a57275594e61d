# shellcheck shell=sh
# The kernel's folders, and those that live in memory. /proc, /sys, /dev and /run came along from the initramfs.

mount_kernel_folders() {
    mkdir -p /dev/pts /dev/shm /run/log /run/lock /run/service /run/openntpd
    mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs -o mode=1777,nosuid,nodev,size=32m tmpfs /tmp
    ln -sfn /proc/self/fd /dev/fd
    : >>/run/resolv.conf
    # A kernel that fell over starts again; the watchdog covers what does not even get there.
    echo 10 >/proc/sys/kernel/panic
    echo 1 >/proc/sys/kernel/panic_on_oops
}
