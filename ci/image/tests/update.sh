# shellcheck shell=bash
# From A to B over the page: what does not fit is refused in words, what fits is written, tried and confirmed. The plug is pulled
# in the middle of the writing, and between the switch and the confirmation: the board starts each time.
# shellcheck source=../lib/update.sh
. "$REPOSITORY/ci/image/lib/update.sh"

slot_new "$WORK/slot" 9.2.0
bundle_new "$WORK/good.swu" "$WORK/slot"
update_board
board_start
board_up
page_open
phone_claims '"code": "ABCD-EFGH"'
expect_equal 'it runs from slot A' a "$(updates slot)"
version=$(updates version)
expect_equal 'of the channel of this machine' development "$(updates channel)"

step 'what is refused'
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$WORK/other.key" 2>/dev/null
bundle_new "$WORK/bad.swu" "$WORK/slot" --key "$WORK/other.key"
phone_update_refused "$WORK/bad.swu" untrusted 'signature'
bundle_new "$WORK/bad.swu" "$WORK/slot" --board cubietruck
phone_update_refused "$WORK/bad.swu" wrong_board "not for this board, $BOARD; it is for: cubietruck"
bundle_new "$WORK/bad.swu" "$WORK/slot" --version 0.0.1
phone_update_refused "$WORK/bad.swu" older_version "0.0.1, which is older than $version"
bundle_new "$WORK/bad.swu" "$WORK/slot" --minimum 9.1.0
phone_update_refused "$WORK/bad.swu" unsupported '9.1.0 or later'
head -c 5000000 "$WORK/good.swu" >"$WORK/bad.swu"
phone_update_refused "$WORK/bad.swu" corrupt 'truncated'
task=$(phone POST /update/fetch '{"url": "http://10.0.2.2/x.swu"}' | field task)
wait_until "$BOARD_PATIENCE" 'an address without TLS to be refused' phone_task_failed "$task"
expect_match 'it says why' "$(phone GET "/tasks/$task")" 'HTTPS only'
phone_refused conflict POST /update/restart >/dev/null

step 'the plug is pulled while it is written'
phone_sends_until "$WORK/good.swu" 4000000
board_again 'the start after it'
board_up
page_up
expect_equal 'it is the old system' "$version" "$(updates version)"

step 'it is installed'
begin=$EPOCHREALTIME
phone_installs "$WORK/good.swu"
say "installed in $(seconds_since "$begin") s: $(stat -c %s "$WORK/good.swu") bytes"
wait_until 30 'the page to say so' update_is ready
phone POST /update/restart
board_ends

board_again 'the plug is pulled while it is tried'
console_wait 'the kernel of slot B' 'Starting kernel'
sleep "$(random 6).$(random 10)"
board_kill

board_again 'it is tried again'
board_up
page_up
wait_until "$BOARD_PATIENCE" 'it to be confirmed' update_is confirmed
expect_equal 'it is the new system' 9.2.0 "$(updates version)"
expect_equal 'it runs from slot B' b "$(updates slot)"
expect 'it says so' console_has 'version 9.2.0 was installed, and works'
board_kill

board_again 'it is the one that starts from now on'
board_up
page_up
expect_equal 'from slot B' b "$(updates slot)"
expect_not 'it is not tried any more' board_script 'grep -q cloud_stick.trial /proc/cmdline'
figures
