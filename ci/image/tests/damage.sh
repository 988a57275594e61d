# shellcheck shell=bash
# A configuration that cannot be used stays on the card with a text that says why; a data partition that is beyond repair is made
# anew and takes no settings along, settings that are beyond repair are made anew, and the events are kept; a clock that is far behind is
# set to the time of the build; SSH is off. Cards of the time before the settings had a place of their own work as well.

card_new "$BOARD"
card_options "$FOR_TESTS"
printf '[[disk]]\nname = "a"\npaht = "/x"\n' >"$WORK/wrong.toml"
card_put "$WORK/wrong.toml" gadget-manager.toml

step 'a configuration with a mistake'
board_start
board_up
expect 'there is no SSH server' board_script 'test -e /run/service/ssh.off && ! pidof dropbear'
identity=$(board_script 'cat /etc/machine-id')
board_script sync
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
expect 'the event is kept' board_script 'grep "data partition was beyond repair" /var/lib/cloud-stick/events'
expect 'the page is told, too' board_script 'until gadget-manager status 2>/dev/null | grep "data partition was beyond repair"; do sleep 1; done'
expect_equal 'the settings are what they were' "$identity" "$(board_script 'cat /etc/machine-id')"
expect 'it is not before the build' board_script 'test $(date +%s) -ge $(cat /usr/lib/cloud-stick/built)'
expect 'the clock was told of' console_has 'cloud-stick: the clock was at'

step 'settings full of noise'
board_script 'echo image >/data/disks/image; sync'
board_kill
head -c $((SETTINGS_SIZE * 512)) /dev/urandom | dd of="$CARD" bs=512 seek=$SETTINGS_START conv=notrunc status=none iflag=fullblock
board_start
board_up
expect 'they are made anew' console_has 'cloud-stick: the settings are made'
expect 'the event is kept' board_script 'grep "settings were beyond repair" /var/lib/cloud-stick/events'
expect_not 'the device is another one' test "$identity" = "$(board_script 'cat /etc/machine-id')"
expect_equal 'images on the card are still there' image "$(board_script 'cat /data/disks/image')"

step 'a sector of noise in place of what tells how the settings stand'
identity=$(board_script 'cat /etc/machine-id')
board_script sync
board_kill
head -c 512 /dev/urandom | dd of="$CARD" bs=512 seek=$SETTINGS_STATE conv=notrunc status=none
board_start
board_up
expect_equal 'they are taken as they are' "$identity" "$(board_script 'cat /etc/machine-id')"

step 'a card of the time before the settings had a place of their own'
board_kill
card_new "$BOARD"
card_options "$FOR_TESTS"
# The data partition began where they are now: its first sector in the fourth entry.
python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<I", int(sys.argv[1])))' "$SETTINGS_START" |
    dd of="$CARD" bs=1 seek=502 conv=notrunc status=none
board_start
board_up
expect 'they are in the data partition' board_script 'touch /settings/here && test -e /data/here'
expect 'the page is not told that a reset overwrites' board_script 'test ! -e /run/cloud-stick/system/wipe'
identity=$(board_script 'cat /etc/machine-id')
board_script sync
board_kill
board_start
board_up
expect_equal 'the device is who it was' "$identity" "$(board_script 'cat /etc/machine-id')"
