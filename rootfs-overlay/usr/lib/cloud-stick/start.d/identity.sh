# shellcheck shell=sh
# Who this device is: a name of the board's own, and a random id, made once and kept with the settings.

# name_machine: four digits from the serial number that U-Boot takes from the SoC's fuses; the same after each flashing. One whose
# fuses say nothing (an emulated A10) is called like all its kind.
name_machine() {
    hostname "cloud-stick-$(cat /proc/device-tree/serial-number 2>/dev/null | sha256sum | cut -c1-4)"
    ip link set lo up
}

keep_identity() {
    hostname >/etc/hostname
    [ -s /etc/machine-id ] || make_machine_id
}

make_machine_id() {
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id.new
    sync /etc/machine-id.new
    mv /etc/machine-id.new /etc/machine-id
}
