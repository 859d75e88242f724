# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: makes .venv with what `install_into_venv EXTRAS` asks for, once.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# The first Python that is new enough and can make virtual environments. $PYTHON, if set, is the only one tried.
find_python() {
  local candidate new_enough='' found
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    new_enough=${new_enough:-$candidate}
    if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  if [ -n "$new_enough" ]; then
    fail "$new_enough can't make virtual environments: its venv module is missing." \
      "On Debian and Ubuntu: sudo apt-get install ${new_enough##*/}-venv"
  fi
  found=$("${PYTHON:-python3}" --version 2>/dev/null || printf 'no %s' "${PYTHON:-python3}")
  fail "Vigil needs Python 3.11 or newer; found $found. Install one (Debian 12, Ubuntu 24.04 and later have it)," \
    "or name it: PYTHON=/path/to/python3.12 bash $0"
}

make_venv() {
  [ -x .venv/bin/pip ] && return # comes last into it, so one that was not finished is made again
  local python
  python=$(find_python)
  say "Making .venv with $("$python" --version) ..."
  "$python" -m venv .venv || fail ".venv could not be made: is the folder writable and the disk not full?"
}

# install_into_venv EXTRAS: '' for the core, or a list such as 'dev,eval'. Does nothing when it was done already.
install_into_venv() {
  make_venv
  local stamp=".venv/installed-${1:-core}"
  cmp -s pyproject.toml "$stamp" && return
  say "Installing Vigil${1:+ with $1} into .venv; its packages are fetched once ..."
  if ! .venv/bin/python -m pip install --disable-pip-version-check --editable ".${1:+[$1]}"; then
    fail "Vigil could not be installed; pip says why above. Its packages come over the network once: behind a proxy" \
      "set HTTPS_PROXY, with a mirror PIP_INDEX_URL, and run the same command again."
  fi
  cp pyproject.toml "$stamp"
}
