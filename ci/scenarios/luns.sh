# shellcheck shell=bash
# LUNs of every kind: of a disk that cannot be written, fixed, emptied by the host, and found changed after a crash.

vm_start
stick mkdir -p /data/disks

# configuration DISK-AND-LUN-LINES...: a folder with the disks films and music, and what is given.
configuration() { { toml_files films music && printf '%s\n' "$1" '[gadget]' "$2"; } | stick_config; }

configuration '' '[[gadget.lun]]
disk = "films"'
gadget_manager disk create card/films --size 16MiB
gadget_manager disk create card/music --size 24MiB
gadget_manager disk create card/talks --size 32MiB

step "a disk that is read-only makes its LUN so; a fixed one is there from the start"
configuration 'read_only = true' '[[gadget.lun]]
disk = "music"
[[gadget.lun]]
disk = "films"
removable = false'
stick_start
music=$(tv_wait_disk 0)
films=$(tv_wait_disk 1)
expect_equal "the TV sees that it cannot write" 1 "$(tv blockdev --getro "$music")"
expect_equal "and that it can write the other" 0 "$(tv blockdev --getro "$films")"
expect_equal "the fixed one cannot be taken out" 0 "$(tv cat "/sys/block/${films##*/}/removable")"
expect_not "nothing is written to the first" tv dd if=/dev/urandom of="$music" bs=4k count=1 oflag=direct
expect "the second is written" tv dd if=/dev/urandom of="$films" bs=64k count=16 oflag=direct conv=fsync
expect "the daemon ends well" stick_stop
tv_wait_gone 0

step "what the host ejected stays out, until the configuration is read again"
configuration '' '[[gadget.lun]]
disk = "films"
[[gadget.lun]]
disk = "music"'
stick_start
films=$(tv_wait_disk 0)
music=$(tv_wait_disk 1)
tv eject "$films"
tv_wait_no_medium 0
# A change of the other LUN makes the daemon look at all of them.
tv eject "$music"
tv_wait_no_medium 1
both_out() { [[ $(stick grep -c '"ejected_by_host": true' /run/cloud-stick/status.json) = 2 ]]; }
wait_until 60 "the daemon to know that both are out" both_out
tv_wait_no_medium 0
expect "still out" both_out
stick_reload
tv_wait_disk 0 >/dev/null
music=$(tv_wait_disk 1)

step "killed while the TV writes, and started with another disk in that LUN"
tv dd if=/dev/zero of="$music" bs=64k count=320 oflag=direct >/dev/null 2>&1 &
writer=$!
tv_wait_written "$music" 2
stick_kill
configuration '[[disk]]
name = "talks"
store = "card"
image = "talks"' '[[gadget.lun]]
disk = "films"
[[gadget.lun]]
disk = "talks"'
stick_start
tv_wait_size 1 33554432
wait "$writer" || true
tv_wait_size 0 16777216
expect_equal "one kernel device for each LUN, none left over" 2 "$(stick sh -c 'ls -d /sys/class/block/ublkb* | wc -l')"

step "killed, and started without any stick"
stick_kill
stick_config <<TOML
[[nbd]]
listen = "127.0.0.1:10809"
disks = ["films"]
[[disk]]
name = "films"
path = "/data/disks/films"
TOML
stick_start
tv_wait_gone 0
gone() { stick sh -c '! ls -d /sys/class/block/ublkb* >/dev/null 2>&1 && [ -z "$(ls /sys/kernel/config/usb_gadget)" ]'; }
wait_until 60 "the leftovers to be removed" gone
expect "the daemon ends well" stick_stop
