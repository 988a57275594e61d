# shellcheck shell=bash
# Figures, no judgement: how long a board takes from its kernel's start to a stick that the USB host has enumerated, beside the least
# that could do the same on the same board, with the same kernel and modules: busybox init, and a dozen lines of shell that make a gadget of
# one file. And what memory is in use. ROUNDS=3 starts of each, taking turns. The clock counts instructions: this kernel frees what
# modules need at their start page by page, by an instruction that is next to nothing for a processor and long for QEMU.

ROUNDS=${ROUNDS:-3}

# bare_slot: a card whose system is the least: BARE_CARD.
bare_slot() {
    local at="$CARD@@$((SLOT_A_START * 512))"
    slot_root_in "$at" "$WORK/root"
    printf '::sysinit:/usr/sbin/bare\n' >"$WORK/root/etc/inittab"
    cat >"$WORK/root/usr/sbin/bare" <<'SH'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin
modprobe -a nvmem_sunxi_sid phy-sun4i-usb sunxi libcomposite usb_f_mass_storage dummy_hcd sd_mod usb-storage
mount -t configfs configfs /sys/kernel/config
mount -t tmpfs tmpfs /tmp
truncate -s 64M /tmp/disk
gadget=/sys/kernel/config/usb_gadget/bare
mkdir -p $gadget/configs/c.1 $gadget/functions/mass_storage.0
echo 0x1d6b >$gadget/idVendor
echo 0x0104 >$gadget/idProduct
echo 1 >$gadget/functions/mass_storage.0/lun.0/removable
echo /tmp/disk >$gadget/functions/mass_storage.0/lun.0/file
ln -s $gadget/functions/mass_storage.0 $gadget/configs/c.1
echo dummy_udc.0 >$gadget/UDC
until dmesg | grep -q 'Attached SCSI'; do usleep 100000; done
dmesg | sed -n 's/^\[ *\([0-9.]*\)\].*Attached SCSI.*/enumerated: \1 s/p' >/dev/console
free | awk '/Mem/ { printf "memory: %.1f MiB\n", ($2 - $7) / 1024 }' >/dev/console
SH
    chmod 755 "$WORK/root/usr/sbin/bare"
    BARE_CARD=$WORK/bare.img
    cp --sparse=always "$CARD" "$BARE_CARD"
    slot_root_out "$BARE_CARD@@$((SLOT_A_START * 512))" "$WORK/root" 19
}

# enumerated SYSTEM: seconds since the kernel's start, as its own log has them. Leaves the board running.
enumerated() {
    if [[ $1 = bare ]]; then
        console_wait 'the stick to be enumerated' 'enumerated: [0-9.]+ s'
        sed -n 's/.*enumerated: \([0-9.]*\) s.*/\1/p' "$VM/console.log" | tail -n 1
    else
        board_up >&2
        board_script "until dmesg | grep -q 'Attached SCSI'; do usleep 100000; done; dmesg | sed -n 's/^\\[ *\\([0-9.]*\\)\\].*Attached SCSI.*/\\1/p' | head -n 1"
    fi
}

# The disk is on the card: this clock does not wait for a store elsewhere.
card_new "$BOARD"
card_options "$FOR_TESTS"
bare_slot
{
    toml_files local
    toml_luns local | sed 's/^\[gadget\]$/&\nudc = "dummy_udc.0"/'
} >"$WORK/gadget-manager.toml"
card_put "$WORK/gadget-manager.toml" gadget-manager.toml
card_put "$REPOSITORY/ci/image/host.sh" host.sh
step 'the first start, which makes the data partition'
board_start
board_up
board_script 'gadget-manager --config /etc/cloud-stick/gadget-manager.toml disk create card/local --size 64MiB' >/dev/null
host_ready
board_script 'wait_disk 0'
board_script 'sync'
board_kill

own_card=$CARD
# shellcheck disable=SC2034 # board_start reads it
BOARD_COUNTS=yes
for ((round = 1; round <= ROUNDS; round++)); do
    CARD=$BARE_CARD
    step "round $round: the least"
    board_start
    enumerated bare | tee -a "$WORK/bare"
    console_wait 'its memory' 'memory: [0-9.]+ MiB'
    board_kill
    CARD=$own_card
    step "round $round: the product"
    board_start
    enumerated product | tee -a "$WORK/product"
    host_ready
    board_script 'wait_disk 0'
    figures
    board_kill
done
middle() { sort -n "$1" | sed -n "$(((ROUNDS + 1) / 2))p"; }
say "from the kernel's start to an enumerated stick: $(middle "$WORK/product") s; the least that could do it: $(middle "$WORK/bare") s; $(awk -v a="$(middle "$WORK/product")" -v b="$(middle "$WORK/bare")" 'BEGIN { printf "%.2f", a / b }') times as long"
