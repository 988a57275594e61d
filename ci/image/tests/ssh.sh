# shellcheck shell=bash
# SSH is on exactly as long as there is a key on the card: for that key, for no other and for no password, as the same host after a
# restart. Without the key it is off.

free_port SSH_PORT
# shellcheck disable=SC2034 # board.sh reads it
BOARD_FORWARD=$SSH_PORT-:22
for name in own other; do ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$WORK/$name"; done
# shell KEY WORDS...: on the board, with this key; the host's key must be the one of the first time.
shell() {
    ssh -F /dev/null -i "$WORK/$1" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=60 -o StrictHostKeyChecking=accept-new \
        -o UserKnownHostsFile="$WORK/known" -p "$SSH_PORT" root@127.0.0.1 "${@:2}" 2>"$WORK/ssh.log"
}

card_new "$BOARD"
card_options "$FOR_TESTS"
# As an editor on Windows leaves it.
sed 's/$/\r/' "$WORK/own.pub" >"$WORK/keys"
card_put "$WORK/keys" authorized_keys
board_start
board_up
host=$(board_script hostname)

step 'the key opens it, nothing else does'
wait_until "$BOARD_PATIENCE" 'SSH to answer' shell own true
expect_equal 'it is this board' "$host" "$(shell own hostname)"
expect_not 'another key opens it' shell other true
expect_match 'it says why' "$(cat "$WORK/ssh.log")" 'Permission denied \(publickey\)'
expect_not 'something that needs no key' shell own -o PreferredAuthentications=password,keyboard-interactive,none -o PubkeyAuthentication=no true
expect_match 'it says why' "$(cat "$WORK/ssh.log")" 'Permission denied \(publickey\)'
board_kill

step 'after a restart it is the same host'
board_start
board_up
wait_until "$BOARD_PATIENCE" 'SSH to answer' shell own true
board_kill

step 'without the key it is off'
mdel -i "$CARD$CARD_FAT" ::authorized_keys
board_start
board_up
expect 'there is no server' board_script 'test -e /run/service/ssh.off && ! pidof dropbear'
expect_not 'anybody answers' shell own true
