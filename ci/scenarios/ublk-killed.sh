# shellcheck shell=bash
# The daemon is killed with -9 again and again under a mounted ext4 and under direct writes, and comes back: nobody
# sees an error, and nothing is lost.

VM_SPEED=none VM_MODULES="ublk_drv ext4" vm_start
stick_install_check ublk-check

step "a disk in a file, ext4 on it"
stick_script <<'END'
set -e
truncate -s 192M /tmp/disk
ublk-check serve tv /tmp/disk state=/run/ublk delay=3 >/tmp/serve.log 2>&1 &
echo $! >/tmp/pid
for try in $(seq 400); do [ -b /dev/ublkb0 ] && break; sleep 0.05; done
mkfs.ext4 -q -E nodiscard /dev/ublkb0 96M
mkdir -p /mnt/ext4
mount /dev/ublkb0 /mnt/ext4
END

step "killed and started five times, under a file system and under direct writes"
stick_script <<'END'
set -e
# Direct writes in the second half of the disk: verified by fio itself, which stops at the first error.
fio --name=direct --filename=/dev/ublkb0 --allow_mounted_write=1 --offset=100M --size=20M --direct=1 --rw=randwrite --bs=4k-64k --ioengine=psync \
    --verify=crc32c --do_verify=1 --verify_fatal=1 --output=/tmp/fio.log &
fio=$!
(
    for n in $(seq 40); do
        dd if=/dev/urandom of=/mnt/ext4/file$n bs=64k count=8 conv=fsync 2>/dev/null || exit 1
        (cd /mnt/ext4 && sha256sum file$n) >>/tmp/sums || exit 1
    done
) &
files=$!
for round in 1 2 3 4 5; do
    # In the middle: some more files are there, more are to come.
    while [ "$(cat /tmp/sums 2>/dev/null | wc -l)" -lt $((round * 6)) ]; do kill -0 $files && sleep 0.02; done
    kill -9 "$(cat /tmp/pid)"
    begin=$(cut -d' ' -f1 /proc/uptime)
    # Not waited for: the new daemon itself has to see the old one off.
    ublk-check serve tv /tmp/disk state=/run/ublk delay=3 >/tmp/serve$round.log 2>&1 &
    echo $! >/tmp/pid
    for try in $(seq 400); do grep -q "^/dev/ublkb" /tmp/serve$round.log && break; sleep 0.05; done
    grep -q '^/dev/ublkb0 recovered$' /tmp/serve$round.log || { cat /tmp/serve$round.log >&2; exit 1; }
    echo "back: $begin to $(cut -d' ' -f1 /proc/uptime) s of uptime"
done
wait $files || { echo "the files met an error" >&2; exit 1; }
wait $fio || { cat /tmp/fio.log >&2; exit 1; }
grep -q 'err= 0' /tmp/fio.log && grep -q 'issued rwts: total=[1-9]' /tmp/fio.log || { cat /tmp/fio.log >&2; exit 1; }
END

step "the content is what was written"
stick_script <<'END'
set -e
[ "$(wc -l </tmp/sums)" = 40 ]
umount /mnt/ext4
e2fsck -fn /dev/ublkb0 >/tmp/fsck.log 2>&1 || { cat /tmp/fsck.log >&2; exit 1; }
mount -o ro /dev/ublkb0 /mnt/ext4
(cd /mnt/ext4 && sha256sum -c /tmp/sums >/dev/null)
umount /mnt/ext4
END
expect_equal "no I/O error in the kernel's log" "" "$(stick sh -c 'dmesg | grep -E "I/O error|EXT4-fs error|WARNING:|BUG:|hung task" || true')"

step "a clean end removes the device"
stick_script <<'END'
set -e
kill -TERM "$(cat /tmp/pid)"
# Not by kill -0, for which it is there until somebody takes its exit code.
for try in $(seq 400); do [ -e "/proc/$(cat /tmp/pid)/exe" ] || break; sleep 0.05; done
ls /sys/class/ublk-char /run/ublk /dev/ublk*
[ ! -e /sys/class/ublk-char/ublkc0 ] && [ ! -e /dev/ublkb0 ] && [ ! -e /run/ublk/tv.json ]
END

step "a device left behind is found and removed, with a user waiting in it"
stick_script <<'END'
set -e
ublk-check serve radio /tmp/disk state=/run/ublk >/tmp/serve.log 2>&1 &
echo $! >/tmp/pid
for try in $(seq 400); do [ -b /dev/ublkb0 ] && break; sleep 0.05; done
# At once, perhaps before the daemon itself knows that it has started.
kill -9 "$(cat /tmp/pid)"
for try in $(seq 400); do [ "$(ublk-check list /run/ublk)" = "0 ours radio Quiesced" ] && break; sleep 0.05; done
[ "$(ublk-check list /run/ublk)" = "0 ours radio Quiesced" ] || { ublk-check list /run/ublk; cat /tmp/serve.log; exit 1; }
dd if=/dev/ublkb0 of=/dev/null bs=64k count=1 iflag=direct 2>/tmp/dd.log &
dd=$!
ublk-check remove 0 /run/ublk
! wait $dd
[ -z "$(ublk-check list /run/ublk)" ]
END
