# shellcheck shell=sh
# Modules. First, by name, those without which there is no stick: the sooner the host sees one, the better. What else the
# board has follows in the background (services/devices). There is no udev: the boards' devices are known, and few.

load_modules() {
    modprobe -a nvmem_sunxi_sid phy-sun4i-usb sunxi libcomposite usb_f_mass_storage ublk_drv
    # The LED tells of the rest.
    modprobe -a sunxi_wdt leds-gpio ledtrig-timer
    grep -q ' /sys/kernel/config ' /proc/mounts || mount -t configfs configfs /sys/kernel/config
    load_wanted
}

# cloud_stick.modules=dummy_hcd,usb-storage on the kernel's command line (options.txt on the card): for development.
load_wanted() {
    modules=$(word cloud_stick.modules) || return 0
    # shellcheck disable=SC2046 # a list of words
    modprobe -a $(echo "$modules" | tr , ' ')
}
