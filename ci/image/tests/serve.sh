# shellcheck shell=bash
# A fresh card with a configuration on it starts through SPL and U-Boot and serves a page blob and an image on the card, which
# the USB host reads and writes. The plug is pulled at random moments ($CUTS times, 3 unless told otherwise): first during
# the first start (at a random moment of it, or after the line of its console that $MOMENT names), then while the host writes, each
# third time while an update is written. Each time everything comes back, with what was flushed.
# shellcheck source=../lib/update.sh
. "$REPOSITORY/ci/image/lib/update.sh"

CUTS=${CUTS:-3}
# Moments of the first start after which the plug may be pulled, and up to a second and a half later.
MOMENTS=('Starting kernel' 'the data partition grows' 'making the data partition' 'the data partition is made' 'making the settings' 'the settings are made'
    'configuration was taken' 'started after')
# Enough of both disks that no test gets to their end.
LAST=400

slot_new "$WORK/slot" 9.2.0
bundle_new "$WORK/update.swu" "$WORK/slot"
bytes=$(stat -c %s "$WORK/update.swu")
card_of_films
card_claimable
card_configure
board_start

moment=${MOMENT:-${MOMENTS[$(random ${#MOMENTS[@]})]}}
step "cut 1: the first start, after: $moment"
console_wait "$moment" "$moment"
sleep "$(random 2).$(random 10)"
board_kill

step 'the start after it'
board_start
board_up
host_ready
expect_own_tree
expect_not 'the configuration has left the card' card_has gadget-manager.toml
expect_not 'so have the secrets' card_has secrets.toml
expect_not 'nothing is wrong with it' card_has gadget-manager.error.txt
expect 'the data partition reaches to the end of the card' board_script 'test $(df -m /data | awk "NR == 2 { print \$2 }") -gt 350'
expect 'the root file system cannot be written' board_script '! touch /usr/x'
expect 'secrets are for root only' board_script 'test $(stat -c %a /etc/cloud-stick/secrets.toml) = 600'
expect 'the LED blinks while a disk is not there' board_script "until grep -qs '\\[timer\\]' '/sys/class/leds/$BOARD_LED/trigger'; do sleep 1; done"
board_script 'gadget-manager --config /etc/cloud-stick/gadget-manager.toml disk create card/local --size 64MiB' >/dev/null
for lun in 0 1; do
    board_script "wait_disk $lun"
    expect "LUN $lun is written" board_script "write_blocks $lun 0 3"
    expect "LUN $lun is read back" board_script "check_blocks $lun 0 3"
done
expect 'the LED is on' board_script "until grep -qs '\\[none\\]' '/sys/class/leds/$BOARD_LED/trigger'; do sleep 1; done"
figures
# Who the board is: to the network, to itself, to the store.
IDENTITY='cat /etc/machine-id /etc/hostname /var/lib/cloud-stick/owner-id | tr "\n" " "'
identity=$(board_script "$IDENTITY")
page_open
phone_claims '"code": "ABCD-EFGH"'
version=$(updates version)

# cut_writing LUN: while the host writes there, some blocks further.
cut_writing() {
    local from until_block
    from=$(($(flushed "$1") + 1))
    until_block=$((from + 2 + $(random 8)))
    step "cut $cut: LUN $1, once block $until_block is flushed"
    # In the background: the machine will be gone before it ends.
    board_send "write_blocks $1 $from $LAST &"
    console_wait "block $until_block" "flushed $1 $until_block"
    sleep "0.$(random 10)"
    board_kill
}

# cut_updating: while an update is sent, at some part of it.
cut_updating() {
    local until_byte=$((bytes * (1 + $(random 90)) / 100))
    step "cut $cut: an update of $bytes bytes, once $until_byte are taken"
    phone_sends_until "$WORK/update.swu" "$until_byte"
}

for ((cut = 2; cut <= CUTS; cut++)); do
    if ((cut % 3 == 0)); then cut_updating; else cut_writing $((cut % 2)); fi
    board_start
    board_up
    host_ready
    expect_equal 'the board is who it was' "$identity" "$(board_script "$IDENTITY")"
    page_up
    expect_equal 'its system is the one that it had' "$version" "$(updates version)"
    expect 'nothing happened to the data partition and the settings' board_script '! grep -E "data partition|the settings" /var/lib/cloud-stick/events'
    for other in 0 1; do
        board_script "wait_disk $other"
        expect "LUN $other: what was flushed is there, up to block $(flushed $other)" board_script "check_blocks $other 0 $(flushed $other)"
    done
done

step 'what the clients of others find in the blob'
blob_download films "$WORK/films.img"
expect 'the first block' cmp -n 65536 "$WORK/films.img" <({ yes 'block 0 of the film' || true; } | head -c 65536)
