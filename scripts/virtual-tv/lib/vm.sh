# shellcheck shell=bash
# The virtual machine: start, stop, and commands in the guest.
#
# The guest shares the folder $VM/share with this machine (9p). A command is a job: a folder share/jobs/ID with `cmd`
# and `stdin`, whose ID is written to the guest's agent through a virtio port; the agent leaves `stdout`, `stderr` and
# at last `rc`. So any number of commands runs side by side, no port of this machine is used, and everything that
# happened can be read afterwards. The guest reaches servers on this machine's 127.0.0.1 as 10.0.2.2.

# shellcheck source=image.sh
. "$RIG/lib/image.sh"
# shellcheck source=prune.sh
. "$RIG/lib/prune.sh"

# How long anything in the guest may take, unless a caller says otherwise: generous, the machine may be busy.
VM_TIMEOUT=${VM_TIMEOUT:-240}

# vm_start: boots the guest and returns when commands can run. Settings, as variables:
#   VM          folder for everything of this machine (default: a new one)
#   VM_MEMORY   MiB (default 768)
#   VM_CPUS     (default 2)
#   VM_SPEED    what the cable can do: high (default, as on the boards), super, or none (no USB device controller).
#               At super speed dummy_hcd 6.12 fails some writes of file systems, whatever the gadget does.
#   VM_MODULES  comma-separated modules for the stick's side instead of "libcomposite,usb_f_mass_storage,ublk_drv"
vm_start() {
    local image begin=$EPOCHREALTIME
    image=$(image_folder)
    image_hold
    VM=${VM:-$(mktemp -d "${TMPDIR:-/tmp}/virtual-tv.XXXXXX")}
    mkdir -p "$VM/share/jobs" "$VM/share/bin"
    cp -r "$RIG/guest" "$VM/share/guest"
    rm -f "$VM/share/ready"
    mkfifo "$VM/agent.in" "$VM/agent.out"
    # pdeathsig: the machine ends with this shell, however this shell ends. No network beyond this machine (restrict
    # would also cut 10.0.2.2, so the guest simply has no reason to go further).
    setpriv --pdeathsig KILL -- "${GUEST_MACHINE[@]}" \
        -nodefaults -no-user-config -no-reboot -display none \
        -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-768}" \
        -kernel "$image/vmlinuz" -initrd "$image/initramfs.cpio" \
        -append "$GUEST_CONSOLE quiet panic=-1 net.ifnames=0 rig.speed=${VM_SPEED:-high} rig.modules=${VM_MODULES:-}" \
        -serial "file:$VM/console.log" \
        -drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on" \
        -virtfs "local,path=$VM/share,mount_tag=share,security_model=none,multidevs=remap" \
        -nic user,model=virtio-net-pci \
        -device virtio-serial-pci \
        -chardev "pipe,id=agent,path=$VM/agent" -device virtserialport,chardev=agent,name=agent \
        -chardev "socket,id=shell,path=$VM/shell,server=on,wait=off" -device virtconsole,chardev=shell \
        </dev/null >"$VM/qemu.log" 2>&1 &
    VM_PID=$!
    wait_until "$VM_TIMEOUT" "the guest to boot" test -e "$VM/share/ready"
    say "the virtual TV is up after $(seconds_since "$begin") s"
}

# vm_stop: ends the machine as a power cut would.
vm_stop() {
    [[ -n ${VM_PID:-} ]] || return 0
    kill -KILL "$VM_PID" 2>/dev/null || true
    wait "$VM_PID" 2>/dev/null || true
    VM_PID=
}

# vm_run COMMAND ARGUMENTS...: runs it in the guest, without input; its output, its exit code.
vm_run() { vm_job "$(vm_quote "$@")" </dev/null; }

# vm_pipe COMMAND ARGUMENTS...: the same with this command's input.
vm_pipe() { vm_job "$(vm_quote "$@")"; }

# vm_quote WORD...: the words as a POSIX shell reads them back (bash's own quoting of odd characters is bash only).
vm_quote() {
    local word quote="'\\''"
    for word in "$@"; do printf "'%s' " "${word//\'/$quote}"; done
}

# vm_script: runs the shell script that comes on the input.
vm_script() { vm_job "$(cat)" </dev/null; }

# vm_job TEXT: runs a shell text in the guest.
vm_job() {
    local job code
    job=$(mktemp -d "$VM/share/jobs/XXXXXXXX")
    cat >"$job/stdin"
    printf '%s\n' "$1" >"$job/cmd"
    # Opened for reading too: writing must not block when the machine is gone.
    printf '%s\n' "${job##*/}" 1<>"$VM/agent.in"
    wait_until "$VM_TIMEOUT" "the guest to finish: ${1:0:120}" test -e "$job/rc"
    cat "$job/stdout"
    cat "$job/stderr" >&2
    code=$(<"$job/rc")
    # The record stays small: what scenarios do is in their own output.
    rm -rf "$job"
    return "$code"
}

# vm_put FILE PATH: copies a file of this machine into the guest.
vm_put() {
    local name
    name=$(mktemp -u "$VM/share/put.XXXXXXXX")
    cp --sparse=always "$1" "$name"
    vm_run sh -c 'mkdir -p "$(dirname "$2")" && cp "$1" "$2"' sh "/share/${name##*/}" "$2"
    rm -f "$name"
}

# vm_get PATH FILE: copies a file of the guest to this machine.
vm_get() {
    local name
    name=$(mktemp -u "$VM/share/get.XXXXXXXX")
    vm_run cp "$1" "/share/${name##*/}"
    mv "$name" "$2"
}

# wait_until SECONDS WHAT COMMAND...: until the command (of this machine) succeeds; dies with WHAT when the machine
# ended or the time is over.
wait_until() {
    local bound=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if [[ -n ${VM_PID:-} ]] && ! kill -0 "$VM_PID" 2>/dev/null; then
            die "the virtual machine ended while waiting for $what" "$(tail -n 5 "$VM/qemu.log" "$VM/console.log" 2>/dev/null)"
        fi
        ((SECONDS < bound)) || die "still waiting for $what"
        sleep 0.03
    done
}

# seconds_since START: from an $EPOCHREALTIME until now, with one decimal.
seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }
