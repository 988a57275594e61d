# shellcheck shell=bash
# A stick that is at home in two networks, without a cable. While the router is away the stick makes its own network, and goes back once the router
# is there again; a daemon that follows a dead one is in the home as well; and where the one network is not, the other is joined.
# shellcheck disable=SC2034 # air.sh reads PHONE_AT

HOME_KEY='correct horse battery'

vm_start
air_stick 15 <<TOML

[[wifi.network]]
ssid = "home"

[[wifi.network]]
ssid = "Old flat"
TOML
printf '[wifi."home"]\npassword = "%s"\n[wifi."Old flat"]\npassword = "%s"\n' "$HOME_KEY" "$HOME_KEY" | stick_secrets
home radios
home router-on home "$HOME_KEY"

step "it joins the home by itself, and somebody there claims it"
stick_start
home phone-joins home "$HOME_KEY"
PHONE_AT=$(home lease kitchen)
wait_until 60 "the page in the home" mobile GET /hello >/dev/null
mobile_claims "$(stick_claim_code)"
wait_until 60 "it to be in the home" mobile_finds_it_in home

step "the router is away: after a while the stick's own network is there, and the stick goes on looking"
home router-off
own=$(home phone-sees-own)
home router-on home "$HOME_KEY"
home phone-joins home "$HOME_KEY"
PHONE_AT=$(home lease kitchen)
wait_until 60 "the page in the home again" mobile_finds_it_in home
home phone-misses "$own"

step "killed and started again, it is in the home again, with one of each program"
stick_kill
stick_start
wait_until 150 "the page in the home" mobile_finds_it_in home
expect_equal "programs for the radio" 1 "$(programs '[w]pa_supplicant -i wlan0')"

step "another network that it remembers"
home router-off
home router-on "Old flat" "$HOME_KEY"
home phone-joins "Old flat" "$HOME_KEY"
PHONE_AT=$(home lease kitchen)
wait_until 60 "the page in the other network" mobile_signs_in
wait_until 60 "it to be in the other network" mobile_finds_it_in "Old flat"

step "keys are in no log, and nothing is left behind"
expect_silence "$HOME_KEY"
