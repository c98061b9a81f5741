#!/bin/sh
# Waits until something on this machine listens on a TCP port: listening.sh PORT
until ss -Hltn "sport = :$1" | grep -q .; do sleep 0.05; done
