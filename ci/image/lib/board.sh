# shellcheck shell=bash
# An emulated board that starts from an SD card image by SPL and U-Boot, with its serial console as the way in.
#
# The machine runs under TCG, slower than a board; everything waits for conditions. Servers that listen on 127.0.0.1
# here are 10.0.2.2 there. The console is a pair of pipes ($VM/console.in, .out); what comes out is in $VM/console.log.

# shellcheck source=qemu.sh
. "$REPOSITORY/ci/image/lib/qemu.sh"
# shellcheck source=../../../image/lib/boards.sh
. "$REPOSITORY/image/lib/boards.sh"
# shellcheck source=../../../image/layout.sh
. "$REPOSITORY/image/layout.sh"

# How long anything on the board may take: generous, the machine may be busy.
BOARD_PATIENCE=${BOARD_PATIENCE:-300}
BOARD_PREFIX=()

# card_new BOARD: sets CARD to a fresh card, of 1 GiB (QEMU wants powers of two), for a board of this name.
card_new() {
    board_load "$1"
    CARD=$WORK/card.img
    zstd -q -f -d "$IMAGES/cloud-stick-$1.img.zst" -o "$CARD"
    truncate -s 1G "$CARD"
}

# The FAT partition: card_put FILE NAME, card_get NAME FILE, card_has NAME. card_options WORD...: for the kernel.
CARD_FAT=@@$((CONFIGURATION_START * 512))
card_put() { mcopy -o -i "$CARD$CARD_FAT" "$1" "::$2"; }
card_get() { mcopy -n -o -i "$CARD$CARD_FAT" "::$1" "$2" 2>/dev/null; }
card_has() { mdir -b -i "$CARD$CARD_FAT" "::$1" >/dev/null 2>&1; }
card_options() {
    # Four emulated cores without a clock of their own stall each other.
    echo "options=mem=512M maxcpus=1 loglevel=1 $*" >"$WORK/options.txt"
    card_put "$WORK/options.txt" options.txt
}

# board_start: switches it on; returns at once. Sets VM_PID (wait_until tells of its end). BOARD_CLOCK is when it
# believes to be, if not now. BOARD_FORWARD=PORT-:80 gives its page a port here; BOARD_PREFIX: words before the machine's command.
# BOARD_COUNTS=yes: its clock counts instructions, two nanoseconds each, about as a Cortex-A7 of 1 GHz does, and goes on by itself
# when there is nothing to do: how long something takes there is the same on any machine, however busy. Nothing outside of the board keeps up with it.
board_start() {
    local network=user pipe clock=() counts=()
    [[ -z ${BOARD_COUNTS:-} ]] || counts=(-icount "shift=1,sleep=off")
    [[ -n ${QEMU_ARM:-} ]] || qemu_prepare
    VM=$WORK/board
    mkdir -p "$VM"
    [[ $BOARD_MACHINE != bpim2u ]] || network+=,model=gmac
    [[ -z ${BOARD_FORWARD:-} ]] || network+=,hostfwd=tcp:127.0.0.1:$BOARD_FORWARD
    for pipe in in out; do rm -f "$VM/console.$pipe" && mkfifo "$VM/console.$pipe"; done
    : >"$VM/console.log"
    # Held open for writing here, so that the reader does not end before QEMU has begun.
    exec {BOARD_OUT}<>"$VM/console.out"
    cat <&"$BOARD_OUT" >>"$VM/console.log" &
    BOARD_READER=$!
    VM_BEGIN=$EPOCHREALTIME
    # These processors' timer counts 24 million a second, as the device tree says; QEMU's would count 62.5, and everything there be
    # in more of a hurry than the emulated processor is able to.
    [[ $BOARD_MACHINE = cubieboard ]] || clock=(-global cortex-a7-arm-cpu.cntfrq=24000000)
    # One thread for all cores of the board, of which only one is in use: a thread for each costs a third more.
    "${BOARD_PREFIX[@]}" setpriv --pdeathsig KILL -- "${QEMU_ARM[@]}" -machine "$BOARD_MACHINE" "${clock[@]}" -accel tcg,thread=single "${counts[@]}" -nodefaults -no-reboot -display none \
        -drive "file=$CARD,if=sd,format=raw" -nic "$network" -rtc "base=${BOARD_CLOCK:-utc}" \
        -chardev "pipe,id=console,path=$VM/console" -serial chardev:console \
        </dev/null >"$VM/qemu.log" 2>&1 &
    VM_PID=$!
}

# board_kill: as a pulled plug would end it. What the board's card has taken, it keeps.
board_kill() {
    [[ -n ${VM_PID:-} ]] || return 0
    kill -KILL "$VM_PID" 2>/dev/null || true
    wait "$VM_PID" 2>/dev/null || true
    VM_PID=
    kill "$BOARD_READER" 2>/dev/null || true
    wait "$BOARD_READER" 2>/dev/null || true
    exec {BOARD_OUT}>&-
    cat "$VM/console.log" >>"$WORK/consoles.log"
    printf '\n--- the plug is pulled\n' >>"$WORK/consoles.log"
}

# board_resets WHAT: waits until the board's watchdog resets it, where QEMU ends.
board_resets() {
    local process=$VM_PID
    # For wait_until that would be an accident.
    VM_PID=
    wait_until "$BOARD_PATIENCE" "$1" process_ended "$process"
    VM_PID=$process
    board_kill
}
process_ended() { ! kill -0 "$1" 2>/dev/null; }

# console_has REGULAR-EXPRESSION
console_has() { grep -qaE -- "$1" "$VM/console.log"; }
# console_wait WHAT REGULAR-EXPRESSION
console_wait() { wait_until "$BOARD_PATIENCE" "$1" console_has "$2"; }

# board_up: waits until the board's shell answers.
board_up() {
    console_wait 'the start to end' 'cloud-stick: started after'
    console_wait 'a shell on the console' 'cloud-stick# '
    board_send 'stty -echo; PS1='
    board_script true >/dev/null
    say "the board is up after $(seconds_since "$VM_BEGIN") s"
}

# board_script TEXT: one line of shell on the board; its output, its exit code.
board_script() {
    local mark code
    mark="job${EPOCHREALTIME/./}"
    # The marks are put together there, so that an echo of the line is not taken for them.
    board_send "echo '<''$mark>'; { $1; } 2>&1; echo \"<\"\"$mark:\$?>\""
    console_wait "the board to finish: ${1:0:120}" "<$mark:[0-9]+>"
    code=$(sed -nE "s/.*<$mark:([0-9]+)>.*/\1/p" "$VM/console.log" | tail -n 1)
    tr -d '\r' <"$VM/console.log" | sed -n "/<$mark>/,/<$mark:[0-9]*>/p" | sed -E "s/.*<$mark>//; s/<$mark:[0-9]+>.*//; /^\$/d"
    return "$code"
}

# board_send TEXT: a line to the board's shell, without waiting for what comes of it.
board_send() { printf '%s\n' "$1" 1<>"$VM/console.in"; }
