# shellcheck shell=bash
# What is missing or wrong is said in words that name it and the remedy, with an exit code, and leaves nothing behind.

vm_start
stick mkdir -p /data/disks

# configuration TEXT: a file store with one disk, and the text after it.
configuration() { { toml_files films && echo "$1"; } | stick_config; }

# refuses WHAT PATTERN ARGUMENTS...: gadget-manager fails within a minute and says what the pattern wants to see.
refuses() {
    local what=$1 pattern=$2 output code=0
    shift 2
    output=$(stick timeout 60 gadget-manager --config "$CONFIG" "$@" 2>&1) || code=$?
    say "   exit code $code: $(tail -n 3 <<<"$output")"
    expect "$what: a failure" test "$code" -ne 0
    expect "$what: an end of its own, no panic and no endless wait" test "$code" -ne 101 -a "$code" -ne 124 -a "$code" -lt 128
    expect_match "$what" "$output" "$pattern"
}

# keeps_trying WHAT PATTERN: the daemon says what the pattern wants to see, leaves no gadget behind when it is told to
# end, and ends well: what is missing may come later, so it does not end by itself.
keeps_trying() {
    local what=$1 pattern=$2 before
    before=$(wc -l 2>/dev/null <"$VM/share/daemon.log" || echo 0)
    stick_start
    said() { tail -n +$((before + 1)) "$VM/share/daemon.log" | grep -iE -- "$pattern"; }
    wait_until 60 "the daemon to say: $pattern" said
    say "   $(said | head -n 1)"
    expect "$what: the daemon goes on" stick_running
    expect "$what: the daemon ends well" stick_stop
    expect_equal "$what: no gadget is left behind" "" "$(stick ls /sys/kernel/config/usb_gadget)"
}

stick_install

step "a bad configuration: the line and the remedy"
configuration '[gadget]
prodcut = "Cloud Stick"'
refuses "an unknown key" 'prodcut' check
refuses "an unknown key stops the daemon too" 'prodcut' run
configuration '[[gadget.lun]]
disk = "music"'
refuses "a LUN of an unknown disk" 'music' check
configuration '[[gadget.lun]]
disk = "films"'
stick_secrets <<<''
stick chmod 644 /etc/cloud-stick/secrets.toml
refuses "secrets that others can read" '0?600|readable|permission|secrets' check
stick rm /etc/cloud-stick/secrets.toml

step "a disk that does not exist"
keeps_trying "a missing image" 'films.*(does not exist|not found)'

step "a size that is no multiple of 512"
refuses "an odd size" '512' disk create card/odd --size 1000001
expect_equal "nothing was created" "" "$(stick ls /data/disks)"

step "a disk that is in use"
gadget_manager disk create card/films --size 16MiB
stick_start
tv_wait_disk 0
refuses "a second daemon" 'another gadget-manager runs' run
refuses "a server on the same image" 'in use by process' nbd card/films
tv_wait_disk 0
expect "the first daemon ends well" stick_stop

step "no USB device controller"
stick rmmod dummy_hcd
keeps_trying "a missing UDC" 'no USB gadget:.*(UDC|device controller)'
expect_match "doctor names it" "$(stick gadget-manager --config "$CONFIG" doctor 2>&1 || true)" 'UDC|device controller'
stick modprobe dummy_hcd is_super_speed=0 is_high_speed=1

step "a missing kernel module"
stick rmmod ublk_drv
stick sh -c 'mkdir /tmp/hidden && mv /lib/modules/*/kernel/drivers/block/ublk_drv.ko* /tmp/hidden/'
keeps_trying "no ublk" 'no kernel device:.*ublk_drv'
expect_match "doctor names it" "$(stick gadget-manager --config "$CONFIG" doctor 2>&1 || true)" 'ublk'
stick sh -c 'mv /tmp/hidden/* /lib/modules/*/kernel/drivers/block/'
stick modprobe ublk_drv

step "and afterwards it works"
stick_start
tv_wait_disk 0
expect "the daemon ends well" stick_stop
