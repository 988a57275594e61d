# shellcheck shell=bash
# The store dies while the TV writes and comes back: the TV sees a delay, and nothing that it synced is lost.

azurite_start durable
vm_start
stick_with_blob films
blob_create films 32M
stick_start
disk=$(tv_wait_disk 0)
head -c 16M /dev/urandom >"$WORK/data"
vm_put "$WORK/data" /tmp/data

step "the TV writes; the store dies in the middle and comes back"
tv dd if=/tmp/data of="$disk" bs=64k oflag=direct conv=fsync &
writer=$!
tv_wait_written "$disk" 4
azurite_kill
expect "the writer waits" kill -0 "$writer"
azurite_restart
expect "the writer finishes without an error" wait "$writer"

step "everything arrived"
tv_forget
expect "the TV reads what it wrote" tv cmp -n $((16 << 20)) /tmp/data "$disk"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
tv eject "$disk"
expect "the daemon ends well" stick_stop
blob_download films "$WORK/films.img"
expect "the blob holds it" cmp -n $((16 << 20)) "$WORK/data" "$WORK/films.img"
