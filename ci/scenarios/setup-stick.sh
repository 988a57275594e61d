# shellcheck shell=bash
# A device that nobody has set up: the TV's side finds a small stick with a page on it, and a configuration that is dropped on
# it is judged and used, nothing of it executed. It says why the last start failed, and outlives a daemon that is killed. Behind
# disks it is shown as long as the device has no owner, and takes nothing.

vm_start
stick_config <<TOML
name = "kitchen"

[web]
http = ["0.0.0.0:8080"]
https = []
announce = false
console = ""
TOML

step "a start that fails"
stick_install
stick sh -c 'sed "s/announce/anounce/" "$1" >/tmp/broken.toml' sh "$CONFIG"
failed=0
stick gadget-manager --config /tmp/broken.toml run || failed=$?
expect_equal "the exit code of a wrong configuration" 3 "$failed"
stick_start

step "the TV sees a page with the address and the claim code"
tv_mount_setup
read_me=$(tv cat "/mnt/tv/READ ME.txt")
code=$(stick_claim_code)
expect "there is a code" test -n "$code"
expect_match "the code is on the stick" "$read_me" "$code"
expect_match "the address is on the stick" "$read_me" 'http://10\.0\.2\.15:8080/'
expect_match "the page has a square code for phones" "$(tv cat "/mnt/tv/READ ME.html")" '<svg'

expect_match "it says which files it takes" "$read_me" 'secrets\.toml'
expect_match "it says why the last start failed" "$(tv cat /mnt/tv/last-log.txt)" 'broken\.toml:[0-9]+: .*anounce'
tv_unmount

step "killed and started again, the TV sees that stick leave and its like come"
plugged=$(tv_stick_number)
stick_kill
stick_start
is_another() { local now && now=$(tv_stick_number 2>/dev/null) && [[ $now != "$plugged" ]]; }
wait_until 60 "the stick to be another one" is_another
tv_mount_setup
expect_equal "it says the same" "$read_me" "$(tv cat "/mnt/tv/READ ME.txt")"

step "a configuration with a mistake is refused, with the line and what to do"
tv_script <<'SCRIPT'
printf '[[store]]\nname = "card"\ntype = "file"\nfolder = "/data/disks"\n\n[[disk]]\nname = "films"\nstoer = "card"\n' >/mnt/tv/gadget-manager.toml
printf '#!/bin/sh\ntouch /tmp/executed\n' >/mnt/tv/autorun.sh
SCRIPT
tv_eject_setup
tv_setup_says 'line 8: .*stoer'
expect_match "what was not asked for is not used" "$(tv cat /mnt/tv/report.txt)" 'autorun\.sh: ignored'
expect_not "the mistake changed anything" stick grep -q stoer "$CONFIG"
expect_not "anything was executed" stick test -e /tmp/executed

step "a configuration without one is used"
stick mkdir -p /data/disks
stick truncate -s 64M /data/disks/films
{ toml_files films && toml_luns films; } | vm_pipe sh -c 'cat >/mnt/tv/gadget-manager.toml'
tv_eject_setup
tv_setup_says 'The device is set up'
expect "the configuration is the one that was dropped" stick grep -q '"films"' "$CONFIG"
expect "what belongs to the installation stays" stick grep -q '0.0.0.0:8080' "$CONFIG"

step "ejected once more, the disk takes its place"
tv_eject_setup
tv_wait_size 0 $((64 * 1024 * 1024))

step "behind the disk the stick goes on to show the way to the page"
behind() { disk=$(tv_wait_disk 1) && tv mount -t vfat -o ro,iocharset=utf8 "${disk}1" /mnt/tv; }
wait_until 60 "the setup stick behind the disk" behind
expect_match "the code is on it" "$(tv cat "/mnt/tv/READ ME.txt")" "$code"
expect_match "it says that it takes nothing" "$(tv cat "/mnt/tv/READ ME.txt")" 'not used'
expect_equal "nothing can be dropped on it" 1 "$(tv blockdev --getro "$disk")"
tv_unmount

step "killed and started again, both are there, and the TV sees no other stick"
plugged=$(tv_stick_number)
stick_kill
stick_start
tv_wait_size 0 $((64 * 1024 * 1024))
wait_until 60 "the setup stick behind the disk" behind
tv_unmount
expect_equal "still the same plugged-in stick" "$plugged" "$(tv_stick_number)"
expect "the daemon ends well" stick_stop

