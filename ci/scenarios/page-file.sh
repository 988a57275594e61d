# shellcheck shell=bash
# From power-on to a stick in a file on the card with the page in a browser, as it comes from the factory: the TV formats it itself.

page_start
stick mkdir -p /data

step "the phone makes a stick of a file"
browser_sets_up file SIZE_GB=0.2 FILESYSTEM=None LABEL= FOLDER=/data/disks

step "the TV has it, empty, and formats it"
tv_wait_size 0 $((191 << 20))
disk=$(tv_disk 0)
expect_equal "nothing is on it" "" "$(tv wipefs -n "$disk")"
tv_format "$disk" OWN
tv_copy_film "$disk"
tv_forget
expect "a clean file system" tv fsck.vfat -n "$disk"
tv eject "$disk"
tv_wait_no_medium 0
expect "the daemon ends well" stick_stop
