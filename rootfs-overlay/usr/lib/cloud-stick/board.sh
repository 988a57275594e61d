# shellcheck shell=sh
# shellcheck disable=SC2034 # who sources this uses it
# Which board this is: U-Boot says so on the kernel's command line. BOARD_LED and the like are as board/README.md says, and
# empty on a board that nobody has described.
BOARD_LED=
BOARD_BUTTON=
board=$(sed -n 's/.*cloud_stick.board=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null # board.conf of this board
[ ! -r "/usr/lib/cloud-stick/boards/$board" ] || . "/usr/lib/cloud-stick/boards/$board"
