#!/bin/sh
# The official image's entry point, for those who script against its name.
exec "${FLUGS:-flugs}" entrypoint docker "$@"
