# shellcheck shell=bash
# A stick without a cable that nobody owns makes a network of its own, whose key is on the setup stick. A phone joins it, whatever it asks for
# leads to the page, and from there the stick is claimed and joins the home. A wrong password leads back, with the reason.

HOME_KEY='correct horse battery'
OWN_ADDRESS=192.168.213.1

vm_start
air_stick 10 </dev/null
home radios
home router-on home "$HOME_KEY"
# leads HOST PATH: where the phone is sent when it asks for this.
leads() { home phone curl -sS --max-time 30 -o /dev/null -w '%{http_code} %{redirect_url}' "http://$1$2"; }
# joins SSID PASSWORD: has the stick join this network; the phone may lose it meanwhile, and looks for the outcome afterwards.
joins() { mobile POST /network/wifi/join "{\"ssid\": \"$1\", \"password\": \"$2\"}" | field task; }

step "nobody owns it: it makes a network of its own, and tells the TV"
stick_start
disk=$(tv_wait_disk 0)
own_is_told() {
    disk=$(tv_disk 0) && tv sh -c 'umount /mnt/tv 2>/dev/null; blockdev --rereadpt "$1" 2>/dev/null; mount -t vfat -o ro,iocharset=utf8 "${1}1" /mnt/tv' sh "$disk" &&
        tv cat "/mnt/tv/READ ME.txt" >"$WORK/read-me" && grep -q CloudStick- "$WORK/read-me"
}
wait_until 120 "the setup stick to tell of the network" own_is_told
tv_unmount
own=$(grep -oE 'CloudStick-[0-9A-Z]+' "$WORK/read-me" | head -n 1)
key=$(grep -oE '[2-9A-HJKMNP-TV-Z]{4}(-[2-9A-HJKMNP-TV-Z]{4}){2}' "$WORK/read-me" | head -n 1)
code=$(grep -vF "$key" "$WORK/read-me" | grep -oE '[2-9A-HJ-KMNP-TV-Z]{4}-[2-9A-HJ-KMNP-TV-Z]{4}' | head -n 1)
expect "the key is on the setup stick" test -n "$key"

step "the phone joins it; whatever it asks for leads to the page"
home phone-joins "$own" "$key"
for probe in connectivitycheck.gstatic.com/generate_204 captive.apple.com/hotspot-detect.html www.msftconnecttest.com/connecttest.txt example.org/; do
    expect_equal "the way from $probe" "302 http://$OWN_ADDRESS/" "$(leads "${probe%%/*}" "/${probe#*/}")"
done
expect_match "the page" "$(home phone curl -sSL --max-time 30 http://example.org/)" '<html'
expect_not "the stick is a way into another network" home phone curl -sS --max-time 5 -o /dev/null http://10.0.2.2/

step "what gives the phone its address dies: the network is made again"
died=$(stick pidof udhcpd)
stick kill -9 "$died"
serves_again() {
    sleep 1
    local now
    now=$(stick pidof udhcpd) && [[ $now != "$died" ]]
}
wait_until 60 "another server of addresses" serves_again
home phone-joins "$own" "$key"
expect_equal "the way from example.org" "302 http://$OWN_ADDRESS/" "$(leads example.org /)"

step "it claims the stick, and sees the home"
PHONE_AT=$OWN_ADDRESS
mobile_claims "$code"
expect_equal "the page tells of the network it is in" "$own" "$(mobile GET /network | field access_point ssid)"
task=$(mobile POST /network/wifi/scan '{}' | field task)
wait_until 60 "the scan" mobile_task_ended "$task"
expect_match "the home is found" "$(cat "$WORK/task")" '"ssid": ?"home"'

step "a wrong password: the stick's own network is back, with the reason"
task=$(joins home 'wrong password')
wait_until 150 "the outcome" mobile_task_ended "$task"
expect_equal "why" wrong_secret "$(field problem code <"$WORK/task")"
mobile GET /network >"$WORK/network"
expect_match "in words" "$(field problem detail <"$WORK/network")" 'home.*another password'
expect_equal "it is not remembered" '[]' "$(field remembered <"$WORK/network")"

step "the right one: the stick is in the home, and tells its address"
joins home "$HOME_KEY" >/dev/null
PHONE_AT=$(home lease kitchen)
home phone-joins home "$HOME_KEY"
wait_until 60 "the page in the home" mobile_signs_in
is_remembered() { mobile_finds_it_in home && [[ $(field remembered <"$WORK/network") = '["home"]' ]]; }
wait_until 60 "the network to be remembered" is_remembered
expect_match "the address" "$(field urls <"$WORK/network")" "http://$PHONE_AT/"
home phone-misses "$own"

step "keys are in no log, and nothing is left behind"
expect_silence "$HOME_KEY" "$key" 'wrong password'
