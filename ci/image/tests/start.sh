# shellcheck shell=bash
# A board starts from the card through SPL and U-Boot, takes its configuration, and its stick is seen, written and read.

azurite_start
blob_create films 64M
card_new "$BOARD"
card_options "$FOR_TESTS"
card_configure
board_start
board_up
host_ready
expect_own_tree
expect 'the configuration is taken' console_has 'a configuration was taken from the card'
expect 'it has an address' board_script 'until [ -e /run/network-up ]; do sleep 1; done'
board_script 'wait_disk 0'
expect 'the stick is written' board_script 'write_blocks 0 0 3'
expect 'and read back' board_script 'check_blocks 0 0 3'
figures
