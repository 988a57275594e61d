# shellcheck shell=bash
# A fresh card with nothing on it: the board opens its page, the USB host sees the setup stick, and the code that the board
# wrote on the card claims the device, once.

free_port PAGE_PORT
# shellcheck disable=SC2034 # board.sh reads it
BOARD_FORWARD=$PAGE_PORT-:80
# Its own address in QEMU's network: the name by which the page is asked for.
# shellcheck disable=SC2034 # phone.sh reads it
PHONE_HOST=10.0.2.15
# code_on_card: as who puts the card into a PC reads it.
code_on_card() { board_script 'mount -t vfat -o ro /dev/mmcblk0p1 /tmp/c && cat /tmp/c/claim-code.txt; umount /tmp/c' | tr -d '\r\n'; }
# manager WORDS: the command line on the board.
manager() { board_script "gadget-manager --config /etc/cloud-stick/gadget-manager.toml $1"; }

card_new "$BOARD"
card_options "$FOR_TESTS"
card_put "$REPOSITORY/ci/image/host.sh" host.sh
board_start
board_up
host_ready

step 'before anybody owns it'
page_open
code=$(code_on_card)
expect_match 'the card has a code' "$code" '^[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}$'
expect_match 'the daemon knows the same' "$(manager claim-code)" "$code"
# No cable leads to the board's own port in QEMU: without it, the stick goes to the one that one kernel is both ends of.
board_script 'for udc in /sys/class/udc/*; do case $udc in *dummy*) continue ;; esac; own=$(readlink -f "$udc/device"); echo "${own##*/}" >"$own/driver/unbind"; done; kill "$(cat /run/service/gadget-manager.pid)"'
board_script 'wait_disk 0'
board_script 'mkdir -p /tmp/s; until mount -t vfat -o ro "$(disk 0)1" /tmp/s; do sleep 1; done' >/dev/null
expect_match 'the setup stick tells it to the host' "$(board_script 'cat "/tmp/s/READ ME.txt"; umount /tmp/s')" "$code"
phone_refused wrong_secret POST /claim '{"code": "2222-2222", "password": "four words in a row"}' >/dev/null

step 'a phone claims it'
phone_claims "\"code\": \"$code\""
expect_not 'there is no code any more' manager claim-code

step 'the plug is pulled; it is still owned, and the code on the card opens nothing'
board_kill
board_start
board_up
page_open
expect_not 'there is no code' manager claim-code
