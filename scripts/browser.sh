#!/usr/bin/env bash
# Installs Chromium and its driver for the browser journeys, unless both are present.
set -euo pipefail
cd "$(dirname "$0")/.."

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
has_driver() { command -v chromedriver >/dev/null; }
if has_browser && has_driver; then exit; fi
# The first pair are Debian's packages, the second pair Ubuntu's.
scripts/apt.sh chromium chromium-driver || scripts/apt.sh chromium-browser chromium-chromedriver
