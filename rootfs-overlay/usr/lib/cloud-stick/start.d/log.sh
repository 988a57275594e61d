# shellcheck shell=sh
# The log: a ring of 512 KiB in memory, that of the kernel's messages included. The service `journal` keeps its end on the card.

start_log() {
    syslogd -C512 && klogd
}
