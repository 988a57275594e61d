# shellcheck shell=sh
# /etc is that of the system, with the changes of this device laid over it: an update of the system brings a new lower half.

lay_etc() {
    mkdir -p $SETTINGS/etc $SETTINGS/.etc
    mount -t overlay -o lowerdir=/etc,upperdir=$SETTINGS/etc,workdir=$SETTINGS/.etc overlay /etc
}
