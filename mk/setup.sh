#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Set-up for make: python3 itself, which the rest of set-up is written in, then tools/tuttilib/setup.py.
# usage: mk/setup.sh PYTHON PURPOSE...
python=$1
shift
if ! command -v "$python" >/dev/null 2>&1; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "tutti: missing here: python3" >&2
		exit 2
	elif [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	else
		echo "tutti: missing Debian packages; as root: apt-get install python3" >&2
		exit 2
	fi
	echo "tutti: installing Debian packages: python3" >&2
	install="env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install python3"
	$as_root $install >/dev/null 2>&1 || { $as_root apt-get -q update >/dev/null 2>&1; $as_root $install >/dev/null 2>&1; } || {
		echo "tutti: cannot install python3" >&2
		exit 2
	}
fi
exec "$python" "$(dirname "$0")/../tools/tuttilib/setup.py" "$@"
