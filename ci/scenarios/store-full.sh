# shellcheck shell=bash
# The store has no room for what the TV wrote: that is lost, and everybody is told with the remedy. Afterwards other disks work.

vm_start
stick mkdir -p /data/disks /data/small
stick mount -t tmpfs -o size=4m none /data/small
{ toml_files && toml_disks small films && printf '\n[[store]]\nname = "small"\ntype = "file"\nfolder = "/data/small"\n' && toml_luns films; } |
    stick_config
stick_install
gadget_manager disk create small/films --size 32MiB

step "the TV writes more than there is room for"
stick_start
disk=$(tv_wait_disk 0)
tv dd if=/dev/urandom of="$disk" bs=64k count=192 oflag=direct || say "   the TV was told at once"
tv eject "$disk"
tv_wait_no_medium 0
lost() { stick grep -q 'did not reach the store' /run/cloud-stick/status.json; }
wait_until 60 "the status to say that something is lost" lost
expect_not "the daemon's end says so too" stick_stop
expect_match "with the remedy" "$(tail -n 5 "$VM/share/daemon.log")" 'films.*let the host check its file system'

step "with another disk it works"
stick umount /data/small
stick_with_files films
gadget_manager disk create card/films --size 16MiB
stick_start
tv_wait_disk 0
expect "the daemon ends well" stick_stop
