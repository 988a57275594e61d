# shellcheck shell=bash
# A factory reset leaves no secret on the card: known ones are put everywhere where a device has any, some of them replaced again and
# again; the whole card is searched for them, byte by byte, before the reset (they have to be found) and after it. The plug is pulled
# while the card is overwritten, at moments of chance. Images on the card stay.
# shellcheck source=../lib/update.sh
. "$REPOSITORY/ci/image/lib/update.sh"

free_port PAGE_PORT
# shellcheck disable=SC2034 # board.sh reads it
BOARD_FORWARD=$PAGE_PORT-:80
# The board's own address in QEMU's network: the name by which the page is asked for, whatever the configuration says.
# shellcheck disable=SC2034 # phone.sh reads it
PHONE_HOST=10.0.2.15

# plant NAME SECRET: from now on it is searched for.
plant() { printf '%s\t%s\n' "$1" "$2" >>"$WORK/planted"; }
key() { head -c 48 /dev/urandom | base64 -w 0; }
word() { head -c 2048 /dev/urandom | LC_ALL=C tr -dc 2-9A-HJKMNP-TV-Z | cut -c "1-$1"; }
# search [FROM TO]: what of it is on the card, with its form and place.
search() { python3 "$REPOSITORY/ci/image/lib/search.py" "$CARD" "$WORK/planted" "$@"; }
# is_on_card NAME...: each of them, by the search before.
is_on_card() { for name in "$@"; do expect "the search finds: $name" grep -q "^$name$(printf '\t')" "$WORK/found"; done; }

# card_secrets KEY PASSWORD: drops the file of secrets on the card.
card_secrets() {
    printf '[store.cloud]\naccount_key = "%s"\n[wifi.Home]\npassword = "%s"\n' "$1" "$2" >"$WORK/secrets.toml"
    card_put "$WORK/secrets.toml" secrets.toml
}

step 'the search finds what is there, in any form'
plant example 'a-known-secret+/=?'
python3 - "$WORK/example" <<'PYTHON'
import base64, os, sys
secret = b"a-known-secret+/=?"
forms = [secret, secret.decode().encode("utf-16-le"), secret.hex().encode(), base64.b64encode(b"Basic" + secret + b"."), base64.urlsafe_b64encode(b"xy" + secret)]
with open(sys.argv[1], "wb") as file:
    for form in forms:
        # The second one lies on a border of what is read at once.
        file.write(os.urandom((8 << 20) - 100) + form)
PYTHON
CARD=$WORK/example search >"$WORK/found"
for form in plain utf-16le hexadecimal base64; do expect "as $form" grep -q "^example$(printf '\t')$form" "$WORK/found"; done
rm "$WORK/planted" "$WORK/example"

step 'a card with secrets on it'
card_new "$BOARD"
card_options "$FOR_TESTS"
{
    PAGE_PORT=80 toml_page
    toml_files local
    printf '\n[[store]]\nname = "cloud"\ntype = "azure"\naccount = "mystorage"\ncontainer = "sticks"\n'
    printf '\n[wifi]\n[[wifi.network]]\nssid = "Home"\n'
    toml_luns local | sed 's/^\[gadget\]$/&\nudc = "dummy_udc.0"/'
} >"$WORK/gadget-manager.toml"
card_put "$WORK/gadget-manager.toml" gadget-manager.toml
# Written again and again, as somebody does who has mistyped it: each time into other clusters.
for round in 1 2 3; do
    card_key=$(key) wifi_password=$(word 20)
    plant "key on the card, $round" "$card_key"
    plant "Wi-Fi password, $round" "$wifi_password"
    card_secrets "$card_key" "$wifi_password"
done
old_code=$(word 4)-$(word 4) wifi_key=$(word 4)-$(word 4)-$(word 4) ssh_key="ssh-ed25519 $(key) somebody@example.org"
echo "$old_code" >"$WORK/claim-code.txt"
echo "$wifi_key" >"$WORK/wi-fi-key.txt"
echo "$ssh_key" >"$WORK/authorized_keys"
for file in claim-code.txt wi-fi-key.txt authorized_keys; do card_put "$WORK/$file" "$file"; done
plant 'claim code' "$old_code"
plant 'key of its own Wi-Fi' "$wifi_key"
plant 'SSH key' "$ssh_key"
# What a PC leaves of a file that somebody thought to have thrown away.
mmd -i "$CARD$CARD_FAT" ::.Trashes
LC_ALL=C.UTF-8 card_put "$WORK/secrets.toml" '.Trashes/secrets, größer.toml'
plant 'on a card that was thrown into the bin' "$(word 24)"
tail -n 1 "$WORK/planted" | cut -f2 >"$WORK/thrown"
card_put "$WORK/thrown" .Trashes/notes.txt

board_start
board_up
page_open
for image in local film; do
    board_script "gadget-manager --config /etc/cloud-stick/gadget-manager.toml disk create card/$image --size 8MiB" >/dev/null
done
expect_not 'the secrets have left the card' card_has secrets.toml
board_script sync
search $((CONFIGURATION_START * 512)) $(((CONFIGURATION_START + CONFIGURATION_SIZE) * 512)) >"$WORK/found"
expect_not 'what was taken is overwritten where it was' grep -q '^x' <(
    # The third is the one in the bin, too: that alone is there.
    awk -F '\t' '/^(key on the card|Wi-Fi password), 3\tplain/ { seen++; if ($4 != 1) print "x" } END { if (seen != 2) print "x" }' "$WORK/found"
)
is_on_card 'key on the card, 1' 'key on the card, 2'

step 'and more of them by the page'
phone_claims "\"code\": \"$old_code\""
for round in 1 2 3; do
    page_key=$(key)
    plant "key by the page, $round" "$page_key"
    phone PUT /stores/other "{\"type\": \"azure\", \"way\": \"account_key\", \"values\": {\"account\": \"other\", \"account_key\": \"$page_key\", \"container\": \"sticks\"}}" >/dev/null
done
token=$(phone POST /tokens '{"name": "script"}' | field secret)
plant 'API token' "$token"
plant 'password of the page' 'four words in a row'
plant 'session' "$(awk 'NF == 7 { print $7 }' "$WORK/cookies" | tail -n 1)"
# What is kept instead of them, and who the device is.
number=0
while read -r text; do plant "in access.json, $((number += 1))" "$text"; done \
    < <(board_script 'cat /var/lib/cloud-stick/web/access.json' | grep -oE '"[A-Za-z0-9+/$=,._-]{22,}"' | tr -d '"' | sort -u)
expect 'it keeps something of them' test "$number" -ge 3
plant 'number of the machine' "$(board_script 'cat /etc/machine-id')"
plant "SSH's own key" "base64:$(board_script "base64 </settings/ssh/host_key | tr -d '\n'")"
identity=$(board_script 'cat /etc/machine-id')
# An image that nobody plays, so that it is known to the byte.
film=$(board_script 'file=/data/disks/film; head -c 4000000 </bin/busybox | dd of="$file" bs=64k conv=notrunc,fsync 2>/dev/null; sha256sum <"$file"')
board_script sync

step 'the card is searched'
search | tee "$WORK/found" | cut -f1,2,4 | sort | sed 's/^/    /'
is_on_card 'key on the card, 1' 'key on the card, 3' 'Wi-Fi password, 1' 'Wi-Fi password, 3' 'claim code' 'key of its own Wi-Fi' 'SSH key' \
    'on a card that was thrown into the bin' 'key by the page, 3' 'in access.json, 1' 'number of the machine' "SSH's own key"
expect 'something that was replaced can still be read' grep -q '^key by the page, [12]' "$WORK/found"
for name in 'API token' 'password of the page' session; do expect_not "not even now: $name" grep -q "^$name" "$WORK/found"; done

step 'the factory reset'
begin=$EPOCHREALTIME
expect_equal 'the page says that the device overwrites' true "$(phone GET /device | field wipes)"
phone POST /device/factory-reset '{"confirm": "cloud-stick"}'
board_ends
say "it restarts $(seconds_since "$begin") s after it was asked"

for moment in 'overwriting what was there' 'making the settings'; do
    board_again "the plug is pulled after: $moment"
    console_wait "$moment" "cloud-stick: .*$moment"
    sleep "$(random 3).$(random 10)"
    board_kill
done

board_again 'it is done at last'
console_wait 'the settings to be made, or to have been made' 'the settings are made|started after'
say "the settings are made $(seconds_since "$VM_BEGIN") s after the power came"
board_up
page_open
expect_equal 'nobody owns it' false "$(phone GET /hello | field claimed)"
board_script sync

step 'the card is searched again'
search >"$WORK/found"
expect_equal 'nothing of it is on the card' '' "$(cat "$WORK/found")"

step 'a new device'
expect_not 'it is somebody else' test "$identity" = "$(board_script 'cat /etc/machine-id')"
expect 'there is no SSH server' board_script 'test -e /run/service/ssh.off && ! pidof dropbear'
expect 'the board starts with what it needs' card_has uboot.env
expect 'with the words for its kernel' card_has options.txt
for name in .Trashes authorized_keys secrets.toml; do expect_not "$name is gone" card_has "$name"; done
new_code=$(board_script 'mount -t vfat -o ro /dev/mmcblk0p1 /tmp && cat /tmp/claim-code.txt; umount /tmp' | tr -d '\r\n')
expect_match 'the card has a code' "$new_code" '^[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}$'
expect_not 'another one' test "$new_code" = "$old_code"
rm -f "$WORK/cookies"
phone_refused wrong_secret POST /claim "{\"code\": \"$old_code\", \"password\": \"four words in a row\"}" >/dev/null
phone_claims "\"code\": \"$new_code\""
expect_equal 'the image is as it was' "$film" "$(board_script 'sha256sum </data/disks/film')"
