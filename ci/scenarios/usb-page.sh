# shellcheck shell=bash
# The owner's phone inserts, ejects, swaps and protects what is in the stick, by the requests of the page, and the TV sees a
# medium that comes, goes and changes, never another stick. What does not work is taken back, and the TV has what it had.

free_port PAGE_PORT
VM_PORTS=$PAGE_PORT vm_start
stick_with_files films music
stick_config <<TOML
$(toml_files films music)
$(toml_luns films)

$(toml_page)
TOML
stick truncate -s 48M /data/disks/films
stick truncate -s 96M /data/disks/music
stick_start
phone_waits
phone_claims "\"code\": \"$(stick_claim_code)\""
tv_wait_size 0 $((48 << 20))
disk=$(tv_disk 0)
plugged=$(tv_stick_number)

# unit FIELD: what the page knows of the first unit. unit_is MEDIUM: it says that this is in it.
unit() { phone GET /state | field usb luns 0 "$1"; }
unit_is() { [[ $(unit medium) = "$1" ]]; }
# replugged: whether the answer of a change on the input says that the host saw another stick.
replugged() { field replugged; }

step "ejected and inserted by the phone"
tv dd if=/dev/urandom of="$disk" bs=64k count=4 conv=fsync 2>/dev/null
phone POST /usb/luns/0/eject '{"force": false}'
tv_wait_no_medium 0
expect "the page knows that its owner took it out" unit_is ejected
phone POST /usb/luns/0/insert
tv_wait_size 0 $((48 << 20))
expect "the page knows that it is in" unit_is inserted

step "ejected by the TV"
tv eject "$disk"
tv_wait_no_medium 0
wait_until 60 "the page to know that the host took it out" unit_is ejected_by_host
phone POST /usb/luns/0/insert
tv_wait_size 0 $((48 << 20))

step "another disk"
expect_equal "no other stick for it" false "$(phone PUT /usb/luns '[{"disk": "music"}]' | replugged)"
tv_wait_size 0 $((96 << 20))

step "a unit that the TV may not write, and may again"
protected() { [[ $(tv blockdev --getro "$disk") = "$1" ]]; }
expect_equal "no other stick for it" false "$(phone PUT /usb/luns '[{"disk": "music", "read_only": true}]' | replugged)"
is_protected() { tv_wait_size 0 $((96 << 20)) && protected 1; }
wait_until 60 "the TV to see that it cannot write" is_protected
expect_not "the TV writes" tv dd if=/dev/urandom of="$disk" bs=4k count=1 oflag=direct
is_writable() { tv_wait_size 0 $((96 << 20)) && protected 0; }
expect_equal "no other stick for it" false "$(phone PUT /usb/luns '[{"disk": "music"}]' | replugged)"
wait_until 60 "the TV to see that it can write" is_writable
expect_equal "nor for a disk that nobody writes" false "$(phone PATCH /disks/music '{"read_only": true}' | replugged)"
wait_until 60 "the TV to see that it cannot write" is_protected
phone PATCH /disks/music '{"read_only": false}' >/dev/null
wait_until 60 "the TV to see that it can write" is_writable
expect "the TV writes" tv dd if=/dev/urandom of="$disk" bs=64k count=4 conv=fsync
beginning() { tv head -c 262144 "$(tv_disk 0)" | sha256sum; }
content=$(beginning)

step "what does not work is explained and taken back"
before=$(stick cat "$CONFIG")
refusal=$(phone_refused not_applied PATCH /disks/music '{"image": "gone"}')
expect_match "the answer says what is missing" "$(field detail <<<"$refusal")" 'nothing has changed.*gone'
expect_match "and what to do" "$(field remedy <<<"$refusal")" '[a-z]'
tv_wait_size 0 $((96 << 20))
tv_forget
expect_equal "the TV has what it had" "$content" "$(beginning)"
talks='{"name": "talks", "store": "card", "image": "talks", "read_only": false, "insert": true}'
phone_refused not_applied POST /disks "$talks" >/dev/null
expect_equal "so does the configuration" "$before" "$(stick cat "$CONFIG")"
tv_wait_size 0 $((96 << 20))

expect_equal "still the same plugged-in stick" "$plugged" "$(tv_stick_number)"
expect_equal "which was never disturbed" "" "$(tv_disturbances)"

step "one unit more, which is another stick"
stick truncate -s 64M /data/disks/talks
expect_equal "the answer says so" true "$(phone POST /disks "$talks" | replugged)"
tv_wait_size 1 $((64 << 20))
tv_wait_size 0 $((96 << 20))

step "another order, which is not"
expect_equal "no other stick for it" false "$(phone PUT /usb/luns '[{"disk": "talks"}, {"disk": "music"}]' | replugged)"
tv_wait_size 0 $((64 << 20))
tv_wait_size 1 $((96 << 20))
expect_equal "and back" false "$(phone PUT /usb/luns '[{"disk": "music"}, {"disk": "talks"}]' | replugged)"
tv_wait_size 0 $((96 << 20))
tv_wait_size 1 $((64 << 20))

step "unplugged and plugged in"
# (That the plug is out is nothing that dummy_hcd tells the kernel: it leaves the controller's state as it was.)
connection_is() { [[ $(phone GET /state | field usb state) = "$1" ]]; }
expect "the page knows that it is connected" connection_is connected
cable_out
tv_wait_gone 0
cable_in
tv_wait_size 0 $((96 << 20))
wait_until 60 "the page to know that it is back" connection_is connected
tv_forget
expect_equal "the TV has what it had" "$content" "$(beginning)"
expect "the daemon ends well" stick_stop
