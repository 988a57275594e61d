# shellcheck shell=bash
# Servers on this machine that the guest reaches as 10.0.2.2.

servers_stop() { :; }
