# shellcheck shell=bash
# A configuration that cannot be used stays on the card with a text that says why; a data partition that is beyond repair is made
# anew, and the event is kept; a clock that is far behind is set to the time of the build; SSH is off.

card_new "$BOARD"
card_options "$FOR_TESTS"
printf '[[disk]]\nname = "a"\npaht = "/x"\n' >"$WORK/wrong.toml"
card_put "$WORK/wrong.toml" gadget-manager.toml

step 'a configuration with a mistake'
board_start
board_up
expect 'there is no SSH server' board_script '! pidof dropbear'
board_kill
expect 'it is still on the card' card_has gadget-manager.toml
expect 'so is the reason' card_get gadget-manager.error.txt "$WORK/error.txt"
expect_match 'the reason names the word and the line' "$(cat "$WORK/error.txt")" ':3.*paht'

step 'a data partition full of noise, and a clock of 1999'
# Past the table: not where the first start would make it anew by itself.
head -c 256M /dev/urandom | dd of="$CARD" bs=512 seek=$DATA_START conv=notrunc status=none iflag=fullblock
export BOARD_CLOCK=1999-12-31T23:00:00
board_start
board_up
expect 'it is made anew' console_has 'cloud-stick: the data partition is made'
expect 'the event is kept' board_script 'grep "beyond repair" /data/lib/cloud-stick/events'
expect 'it is not before the build' board_script 'test $(date +%s) -ge $(cat /usr/lib/cloud-stick/built)'
expect 'the clock was told of' console_has 'cloud-stick: the clock was at'
