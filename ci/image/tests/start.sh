# shellcheck shell=bash
# A board starts from the card through SPL and U-Boot and takes its configuration; its page answers and is claimed, its stick is
# seen, written and read.

card_of_films
card_claimable
card_configure
board_start
board_up
host_ready
expect_own_tree
expect 'the configuration is taken' console_has 'a configuration was taken from the card'
page_open
phone_claims '"code": "ABCD-EFGH"'
board_script 'wait_disk 0'
expect 'the stick is written' board_script 'write_blocks 0 0 3'
expect 'and read back' board_script 'check_blocks 0 0 3'
figures
blob_download films "$WORK/films.img"
expect 'the first block is in the store' cmp -n 65536 "$WORK/films.img" <({ yes 'block 0 of the film' || true; } | head -c 65536)
