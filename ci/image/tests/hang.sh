# shellcheck shell=bash
# The system hangs: whoever tells the hardware watchdog that all is well does not any more. The board starts again by itself.

card_of_films
card_configure
board_start
board_up
host_ready
board_script 'wait_disk 0'
expect 'the stick is written' board_script 'write_blocks 0 0 3'

step 'nobody feeds the watchdog'
# shellcheck disable=SC2016 # for the board's shell
board_send 'kill -STOP $(pidof watchdog)'
# QEMU ends there.
board_resets 'the watchdog to restart the board'
board_start
board_up
host_ready
board_script 'wait_disk 0'
expect 'the stick is back, with what was on it' board_script 'check_blocks 0 0 3'
