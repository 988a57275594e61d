# shellcheck shell=bash
# The daemon is killed while the TV writes, and started again: the TV sees a delay, not a disconnect.

azurite_start
vm_start
stick_with_blob films
blob_create films 64M
stick_start
disk=$(tv_wait_disk 0)
head -c 32M /dev/urandom >"$WORK/data"
vm_put "$WORK/data" /tmp/data

step "the TV writes; the daemon dies in the middle, twice"
tv dd if=/tmp/data of="$disk" bs=64k oflag=direct conv=fsync &
writer=$!
for mebibytes in 4 16; do
    tv_wait_written "$disk" "$mebibytes"
    stick_kill
    expect "the writer waits" kill -0 "$writer"
    stick_start
done
expect "the writer finishes without an error" wait "$writer"

step "everything arrived"
tv_forget
expect "the TV reads what it wrote" tv cmp -n $((32 << 20)) /tmp/data "$disk"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
tv eject "$disk"
expect "the daemon ends well" stick_stop
blob_download films "$WORK/films.img"
expect "the blob holds it" cmp -n $((32 << 20)) "$WORK/data" "$WORK/films.img"
