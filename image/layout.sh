# shellcheck shell=sh
# shellcheck disable=SC2034 # those who source this use them
# Where everything lies on a card, in sectors of 512 bytes, after an MBR. Drawn and explained in docs/decisions/0016. The board has this
# file too.
#
#   byte 8192   U-Boot with its SPL: where the boot ROM of the SoC looks for it
#   2024        how the settings stand (start.d/settings.sh)
#   2032, 2040  what U-Boot counts while an update is tried, twice
#   1           FAT, for people: U-Boot's environment, a configuration dropped in
#   2, 3        slots A and B: kernel, initramfs, device trees and the root file system of one version
#               settings, in no partition: only the board itself has anything to do there
#   4           data; the image has only its entry, and the first start makes it as large as the card allows

# The partition table's signature, by which the system finds its own card.
CARD_SIGNATURE=c10d571c
UBOOT_OFFSET=8192
# Two sectors after U-Boot with what it counts while an update is tried (crates/update/src/boot.rs).
BOOT_STATE_1=2032 BOOT_STATE_2=2040
# One before them, in a block of 4 KiB of its own: what a card damages when its power is cut is of one thing only.
SETTINGS_STATE=2024
CARD_LABEL=CLOUDSTICK

CONFIGURATION_START=2048 CONFIGURATION_SIZE=129024
SLOT_SIZE=262144
SLOT_A_START=131072
SLOT_B_START=393216
SETTINGS_START=655360 SETTINGS_SIZE=65536
DATA_START=720896
# What the fourth entry says until the first start.
DATA_SIZE=2048

# Types of the entries. Slots are FAT too, but no PC is to show them; a data partition that is still to be made is no
# Linux file system (start.d/data.sh).
TYPE_CONFIGURATION=c TYPE_SLOT=83 TYPE_DATA_NEW=da TYPE_DATA=83
