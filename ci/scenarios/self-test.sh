# shellcheck shell=bash
# The rig proves itself, without gadget-manager: a gadget by plain configfs on a file, used by the TV.

vm_start

step "commands in the guest: output, exit code, input, side by side"
expect_equal "the command's output" "one two" "$(stick echo one two)"
expect_equal "arguments survive quoting" "a 'b' \$c  x" "$(stick printf %s "a 'b' \$c  x")"
code=0
stick sh -c 'exit 7' || code=$?
expect_equal "the exit code" 7 "$code"
expect_equal "the command's input" hello "$(echo hello | vm_pipe cat)"
stick sleep 3 &
expect_equal "a command beside a running one" beside "$(stick echo beside)"
wait $!

step "files go in and come back"
head -c 3000001 /dev/urandom >"$WORK/file"
vm_put "$WORK/file" /tmp/in/file
vm_get /tmp/in/file "$WORK/back"
expect "the same bytes" cmp "$WORK/file" "$WORK/back"

step "the guest reaches a server on this machine"
port=0
free_port port
setpriv --pdeathsig KILL -- python3 -m http.server --bind 127.0.0.1 --directory "$WORK" "$port" >/dev/null 2>&1 &
server=$!
wait_until 30 "the HTTP server" curl -fso /dev/null "http://127.0.0.1:$port/"
expect_equal "the same file over the network" "$(sha256sum <"$WORK/file")" \
    "$(tv wget -q -O - "http://10.0.2.2:$port/file" | sha256sum)"
kill "$server"

step "a stick, seen and used by the TV"
stick truncate -s 64M /tmp/image
stick sh /share/guest/stick plain-gadget /tmp/image
disk=$(tv_wait_disk 0)
expect_match "lsusb shows the product" "$(tv lsusb -v 2>/dev/null)" 'plain stick'
tv mkfs.vfat -n RIG "$disk"
tv mount "$disk" /mnt/tv
tv cp /tmp/in/file /mnt/tv/file
tv umount /mnt/tv
tv eject "$disk"
stick modprobe loop
stick mount -o loop,ro /tmp/image /mnt/tv
expect "the file is in the image" stick cmp /tmp/in/file /mnt/tv/file
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
stick umount /mnt/tv

step "the cable pulled while the TV writes, and plugged in again"
stick sh -c 'echo /tmp/image >/sys/kernel/config/usb_gadget/plain/functions/mass_storage.0/lun.0/file'
disk=$(tv_wait_disk 0)
tv dd if=/dev/zero of="$disk" bs=64k oflag=direct 2>/dev/null &
writer=$!
tv_wait_written "$disk" 8
cable_out
tv_wait_gone 0
expect_not "the writer sees an error" wait "$writer"
expect_match "the kernel's log tells of it" "$(tv_disturbances)" 'USB disconnect'
cable_in
disk=$(tv_wait_disk 0)
tv dd if="$disk" of=/dev/null bs=1M count=8 iflag=direct 2>/dev/null
