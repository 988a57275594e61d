# shellcheck shell=sh
# Which services this device does without.

choose_services() {
    [ -s /run/ssh/authorized_keys ] || : >/run/service/ssh.off
    case " $(cat /proc/cmdline) " in
    *' cloud_stick.shell '*) ;;
    *) : >/run/service/console.off ;;
    esac
}
