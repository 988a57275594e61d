# shellcheck shell=sh
# /etc is that of the system, with the changes of this device laid over it: an update of the system brings a new lower half.

lay_etc() {
    mkdir -p /data/etc /data/.etc
    mount -t overlay -o lowerdir=/etc,upperdir=/data/etc,workdir=/data/.etc overlay /etc
}
