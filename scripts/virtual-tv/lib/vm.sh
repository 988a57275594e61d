# shellcheck shell=bash
# The virtual machine: start, stop, and commands in the guest.
#
# The guest shares the folder $VM/share with this machine (9p). A command is a job: a folder share/jobs/ID with `cmd`
# and `stdin`, whose ID is written to the guest's agent through a virtio port; the agent leaves `stdout`, `stderr` and
# at last `rc`. So any number of commands runs side by side, and no port of this machine is used. Files go through a
# second disk, $VM/transfer: 9p needs four seconds of processor time for what that moves in one tenth (10 MB, emulated).
# The guest reaches servers on this machine's 127.0.0.1 as 10.0.2.2.

# shellcheck source=image.sh
. "$RIG/lib/image.sh"
# shellcheck source=prune.sh
. "$RIG/lib/prune.sh"

# How long anything in the guest may take, unless a caller says otherwise: generous, the machine may be busy.
VM_TIMEOUT=${VM_TIMEOUT:-240}

# vm_start: boots the guest and returns when commands can run. Settings, as variables:
#   VM          folder for everything of this machine (default: a new one)
#   VM_MEMORY   MiB (default 768)
#   VM_CPUS     (default 1). They take turns on one thread of this machine, which makes one the fastest: emulated processors that run
#               at once patch the kernel's code under each other's feet, meet breakpoints of patches that have just ended, and panic
#   VM_SPEED    what the cable can do: high (default, as on the boards), super, or none (no USB device controller).
#               At super speed dummy_hcd 6.12 fails some writes of file systems, whatever the gadget does.
#   VM_PORTS    TCP ports at which this machine's 127.0.0.1 reaches the same port of the guest, with spaces between them
#   VM_MODULES  comma-separated modules for the stick's side instead of "libcomposite,usb_f_mass_storage,ublk_drv"
#
# A machine that ends while it boots, before anything of ours runs, is booted again, twice at most, and the output says so.
vm_start() {
    local attempt
    for attempt in 1 2 3; do
        vm_boot
        vm_booting_ended || break
        [[ $attempt -lt 3 ]] || die "the virtual machine does not boot" "$(tail -n 5 "$VM/qemu.log" "$VM/console.log" 2>/dev/null)"
        say "the virtual machine ended while booting: $(grep -aom 1 'Kernel panic.*' "$VM/console.log" || echo 'no panic'); booting it again"
        wait "$VM_PID" 2>/dev/null || true
        rm -f "$VM/agent.in" "$VM/agent.out"
    done
    say "the virtual TV is up after $(seconds_since "$VM_BEGIN") s"
    vm_note "$VM_BEGIN" 0 "boot"
}

# vm_booting_ended: the machine is gone, and was never ready. (A process that ended is a zombie until it is waited for.)
vm_booting_ended() { [[ ! -e $VM/share/ready ]] && { [[ ! -e /proc/$VM_PID/stat ]] || grep -q '^[0-9]* (.*) Z' "/proc/$VM_PID/stat"; }; }
vm_booted_or_ended() { [[ -e $VM/share/ready ]] || vm_booting_ended; }

# vm_boot: starts the machine and returns when it is ready or has ended.
vm_boot() {
    local image
    VM_BEGIN=$EPOCHREALTIME
    image=$(image_folder)
    image_hold
    VM=${VM:-$(mktemp -d "${TMPDIR:-/tmp}/virtual-tv.XXXXXX")}
    mkdir -p "$VM/share/jobs"
    rm -rf "$VM/share/guest"
    cp -r "$RIG/guest" "$VM/share/guest"
    rm -f "$VM/share/ready"
    truncate -s 16G "$VM/transfer"
    echo 0 >"$VM/transfer.next"
    mkfifo "$VM/agent.in" "$VM/agent.out"
    # pdeathsig: the machine ends with this shell, however this shell ends. No network beyond this machine (restrict
    # would also cut 10.0.2.2, so the guest simply has no reason to go further).
    setpriv --pdeathsig KILL -- "${GUEST_MACHINE[@]}" \
        -nodefaults -no-user-config -no-reboot -display none \
        -smp "${VM_CPUS:-1}" -m "${VM_MEMORY:-768}" \
        -kernel "$image/vmlinuz" -initrd "$image/initramfs.cpio" \
        -append "$GUEST_CONSOLE quiet panic=-1 net.ifnames=0 rig.speed=${VM_SPEED:-high} rig.modules=${VM_MODULES:-}" \
        -serial "file:$VM/console.log" \
        -drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on" \
        -drive "file=$VM/transfer,format=raw,if=virtio" \
        -virtfs "local,path=$VM/share,mount_tag=share,security_model=none,multidevs=remap" \
        -nic "user,model=virtio-net-pci$(for port in ${VM_PORTS:-}; do printf ',hostfwd=tcp:127.0.0.1:%s-:%s' "$port" "$port"; done)" \
        -device virtio-serial-pci \
        -chardev "pipe,id=agent,path=$VM/agent" -device virtserialport,chardev=agent,name=agent \
        -chardev "socket,id=shell,path=$VM/shell,server=on,wait=off" -device virtconsole,chardev=shell \
        </dev/null >"$VM/qemu.log" 2>&1 &
    VM_PID=$!
    wait_until "$VM_TIMEOUT" "the guest to boot" vm_booted_or_ended
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
    local job code begin=$EPOCHREALTIME cpu
    vm_cpu cpu
    job=$(mktemp -d "$VM/share/jobs/XXXXXXXX")
    cat >"$job/stdin"
    printf '%s\n' "$1" >"$job/cmd"
    # Opened for reading too: writing must not block when the machine is gone.
    printf '%s\n' "${job##*/}" 1<>"$VM/agent.in"
    wait_until "$VM_TIMEOUT" "the guest to finish: ${1:0:120}" test -s "$job/rc"
    cat "$job/stdout"
    cat "$job/stderr" >&2
    code=$(<"$job/rc")
    # The record stays small: what scenarios do is in their own output and in the timeline.
    rm -rf "$job"
    vm_note "$begin" "$cpu" "${1//$'\n'/; }"
    return "$code"
}

# vm_note START CPU TEXT: a line of the timeline: when it began, how long it took, and the processor time that the
# machine took meanwhile, which a busy test machine changes less. What runs side by side is counted in each line.
vm_note() {
    local now=$EPOCHREALTIME cpu
    vm_cpu cpu
    printf '%7d ms %+7d ms %6d ms of CPU  %s\n' $(((${1/./} - ${VM_BEGIN/./}) / 1000)) $(((${now/./} - ${1/./}) / 1000)) \
        $(((cpu - $2) * 10)) "${3:0:200}" >>"$VM/timeline"
}

# vm_cpu VARIABLE: hundredths of a second of processor time (the kernel's USER_HZ) that the machine has taken so far.
vm_cpu() {
    local line words
    printf -v "$1" 0
    { read -r line <"/proc/$VM_PID/stat"; } 2>/dev/null || return 0
    # After the name in parentheses: the state, and ten numbers before the two of interest (proc(5): utime, stime).
    read -ra words <<<"${line##*) }"
    printf -v "$1" %d $((words[11] + words[12]))
}

# vm_room BYTES: where in the transfer disk there is so much unused room, in MiB. Each place is used once: what the
# guest's kernel remembers of the disk stays true.
vm_room() {
    local place
    {
        flock 9
        place=$(<"$VM/transfer.next")
        echo $((place + $1 / 1048576 + 1)) >"$VM/transfer.next"
    } 9<"$VM/transfer"
    echo "$place"
}

# vm_put FILE PATH: copies a file of this machine into the guest.
vm_put() {
    local size place
    size=$(stat -L -c %s "$1")
    place=$(vm_room "$size")
    dd if="$1" of="$VM/transfer" bs=1M seek="$place" conv=notrunc,sparse status=none
    vm_run sh /share/guest/take "$2" "$size" "$place"
}

# vm_put_program FILE NAME: a program of this machine into the guest's PATH.
vm_put_program() {
    vm_put "$1" "/usr/local/bin/$2" && vm_run chmod 755 "/usr/local/bin/$2"
}

# vm_get PATH FILE: copies a file of the guest to this machine.
vm_get() {
    local size place
    size=$(vm_run stat -L -c %s "$1")
    place=$(vm_room "$size")
    vm_run dd "if=$1" of=/dev/vdb bs=1M "seek=$place" conv=notrunc,sparse,fsync status=none
    dd if="$VM/transfer" of="$2" bs=1M skip="$place" count=$((size / 1048576 + 1)) conv=sparse status=none
    truncate -s "$size" "$2"
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
