# shellcheck shell=bash
# Boards: a folder each in board/.

boards() { (cd "$REPOSITORY/board" && for folder in */; do echo "${folder%/}"; done); }

# board_load NAME: sets the BOARD_ variables of its board.conf.
board_load() {
    [[ -r $REPOSITORY/board/$1/board.conf ]] || die "there is no board $1" "There are: $(boards | xargs)"
    export BOARD=$1
    # shellcheck source=../../board/orangepi-pc/board.conf
    . "$REPOSITORY/board/$1/board.conf"
}
