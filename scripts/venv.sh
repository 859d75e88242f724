# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: makes .venv with what `install_into_venv EXTRAS` asks for, once.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# The first Python new enough; $PYTHON goes first when it is set.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  local found
  found=$(python3 --version 2>/dev/null || printf 'no python3')
  fail "Vigil needs Python 3.11 or newer; found $found. Install one (Debian 12, Ubuntu 24.04 and later have it)," \
    "or name it: PYTHON=/path/to/python3.12 bash $0"
}

make_venv() {
  [ -x .venv/bin/python ] && return
  local python
  python=$(find_python)
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    fail "$python can't make virtual environments: its venv module is missing." \
      "On Debian and Ubuntu: sudo apt-get install python3-venv"
  fi
  say "Making .venv with $("$python" --version) ..."
  "$python" -m venv .venv || { rm -rf .venv; fail "could not make .venv: is the folder writable and the disk not full?"; }
}

# install_into_venv EXTRAS: '' for the core, or a list such as 'dev,eval'. Does nothing when it was done already.
install_into_venv() {
  make_venv
  local stamp=".venv/installed-${1:-core}"
  cmp -s pyproject.toml "$stamp" && return
  say "Installing Vigil${1:+ with $1} into .venv ..."
  if ! .venv/bin/python -m pip install --disable-pip-version-check --editable ".${1:+[$1]}"; then
    fail "The installation failed (see above). Without a network, or behind a proxy, set pip's index or" \
      "proxy (PIP_INDEX_URL, HTTPS_PROXY) and run the same command again: it goes on where it stopped."
  fi
  cp pyproject.toml "$stamp"
}
