# shellcheck shell=bash
# The board's button, here a key that the kernel is told of: a press lets the phone claim the device without its code, once, and later takes
# the medium out and puts it in; held, it shows the way to the page in place of the disk, and a host that finds it is no owner; held
# very long, it resets the device.

free_port PAGE_PORT
VM_PORTS=$PAGE_PORT vm_start
stick_config <<TOML
$(toml_files films)
$(toml_luns films)

$(toml_page)

[web.button]
device = "AT Translated Set 2 keyboard"
key = 116
hold_seconds = 1
reset_seconds = 8
TOML
stick mkdir -p /data/disks
stick truncate -s 48M /data/disks/films
stick modprobe evdev
# The guest's keyboard gets events as if somebody pressed KEY_POWER: time (16 bytes with 64 bits), EV_KEY, code, value, EV_SYN.
stick_script <<'SCRIPT'
for value in 0 1; do
    { head -c 16 /dev/zero && printf "\001\000\164\000\00$value\000\000\000" && head -c 24 /dev/zero; } >/tmp/key-$value
done
SCRIPT
# key VALUE...: 1 is down, 0 is up; both at once are a short press, however busy the machine is.
key() { stick sh -c 'cd /tmp && cat "$@" >"/dev/input/$(basename "$(dirname "$(grep -l "^AT Trans" /sys/class/input/event*/device/name)" | sed s,/device,,)")"' sh "${@/#/key-}"; }
stick_start
phone_waits
logged() { grep -q -- "$1" "$VM/share/daemon.log"; }
wait_until 60 "the daemon to find the button" logged 'the button is /dev/input/event'
tv_wait_size 0 $((48 << 20))
tv_wait_disk 1 >/dev/null
plugged=$(tv_stick_number)

step "who has neither code nor button does not get in"
phone_refused wrong_secret POST /claim '{"password": "four words in a row"}' >/dev/null

step "a press lets one in"
key 1 0
wait_until 60 "the press to be seen" logged 'button was pressed: for five minutes'
phone_claims
phone_refused already_claimed POST /claim '{"password": "five words in a row, now"}' >/dev/null

step "with an owner the way to the page leaves the TV, and the disk does not notice"
tv_wait_no_medium 1
expect "the page knows its disk" test "$(phone GET /state | field usb luns 0 medium)" = inserted
expect_equal "still the same plugged-in stick" "$plugged" "$(tv_stick_number)"
expect_equal "which was never disturbed" "" "$(tv_disturbances)"

step "a press takes the medium out, another one puts it in"
key 1 0
tv_wait_no_medium 0
key 1 0
tv_wait_disk 0 >/dev/null
expect_equal "still the same plugged-in stick" "$plugged" "$(tv_stick_number)"

step "held, the button shows the way to the page, but no code"
key 1
wait_until 60 "the hold to be seen" logged 'button was held: the setup stick is asked for'
key 0
tv_mount_setup
read_me=$(tv cat "/mnt/tv/READ ME.txt")
expect_match "the address" "$read_me" 'http://10\.0\.2\.15'
expect_match "it takes nothing" "$read_me" 'not used'
expect_not "a code is on it" grep -qE '[2-9A-HJ-KMNP-TV-Z]{4}-[2-9A-HJ-KMNP-TV-Z]{4}' <<<"$read_me"

step "what a stranger drops on it is not used"
before=$(stick cat "$CONFIG")
tv sh -c 'printf "[[disk]]\nname = \"all\"\npath = \"/dev/vda\"\n[gadget]\n[[gadget.lun]]\ndisk = \"all\"\n" >/mnt/tv/gadget-manager.toml'
tv_unmount
tv eject "$(tv_disk 0)"
wait_until 90 "the report" tv sh -c '
    disk=$(sh /share/guest/tv disk 0) && dd if="$disk" of=/dev/null bs=2048 count=1 iflag=direct 2>/dev/null &&
    blockdev --rereadpt "$disk" 2>/dev/null
    mount -t vfat -o iocharset=utf8 "${disk}1" /mnt/tv 2>/dev/null && { test -e /mnt/tv/report.txt || { umount /mnt/tv && false; }; }'
expect_match "the report says why" "$(tv cat /mnt/tv/report.txt)" 'has an owner'
expect_equal "the configuration is what it was" "$before" "$(stick cat "$CONFIG")"
tv_unmount

step "held once more, the disk is back"
key 1
wait_until 60 "the hold to be seen" logged 'not asked for any more'
key 0
tv_wait_size 0 $((48 << 20))

step "the command line shows it, too, and takes it away"
gadget_manager setup-stick
tv_mount_setup
tv_unmount
gadget_manager setup-stick --end
tv_wait_size 0 $((48 << 20))

step "without its owner, the device shows the way to the page again, behind the disk and with another code"
gadget_manager forget-owner --yes
behind() { disk=$(tv_wait_disk 1) && tv mount -t vfat -o ro,iocharset=utf8 "${disk}1" /mnt/tv; }
wait_until 60 "the setup stick behind the disk" behind
expect_match "the code is on it" "$(tv cat "/mnt/tv/READ ME.txt")" "$(gadget_manager claim-code)"
tv_unmount
tv_wait_size 0 $((48 << 20))
phone_refused unclaimed GET /state >/dev/null

step "held very long, it resets the device"
phone_claims "\"code\": \"$(gadget_manager claim-code)\""
key 1
wait_until 60 "the reset" logged 'the button has reset the device'
key 0
phone_refused unclaimed GET /state >/dev/null
expect "there is a configuration" stick test -s "$CONFIG"
expect_not "the disk is in it" stick grep -q films "$CONFIG"
expect "the image is where it was" stick test -s /data/disks/films
expect "the daemon ends well" stick_stop
